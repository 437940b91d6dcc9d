//! The command: flags, logs, signals, exit codes. The work is in the library.

mod cli;
mod display;
mod standalone;
mod torrents;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use videocloud_downloader::task::{Network, perform};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::task::DownloadTask;
use videocloud_protocol::tracker::Client;
use videocloud_store::Store;

use cli::{Cli, LogFormat};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    logs(&cli);
    // Fails only when a provider is already installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match stop_on_signal() {
        Ok(stop) if cli.worker.task.is_some() => worker(cli, &stop).await,
        Ok(stop) => standalone::run(cli, &stop).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(class = ?failure.class, reason = %failure.reason, "{}", failure.message);
            ExitCode::from(failure.class.exit_code())
        }
    }
}

fn logs(cli: &Cli) {
    let usual = if cli.worker.task.is_some() { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| usual.into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    match cli.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn bad_spec(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, error.to_string())
}

/// Carries out an order of the operator.
async fn worker(cli: Cli, stop: &CancellationToken) -> Result<(), Failure> {
    let missing = |what: &str| bad_spec(format!("failed to start: VIDEOCLOUD_TASK is set, but not {what}"));
    let text = cli.worker.task.unwrap_or_default();
    let task: DownloadTask =
        serde_json::from_str(&text).map_err(|error| bad_spec(format!("failed to read VIDEOCLOUD_TASK: {error}")))?;
    let url = cli.worker.tracker_url.ok_or_else(|| missing("VIDEOCLOUD_TRACKER_URL"))?;
    let token = cli.worker.task_token.ok_or_else(|| missing("VIDEOCLOUD_TASK_TOKEN"))?;
    let store = cli.store.ok_or_else(|| missing("VIDEOCLOUD_STORE"))?;
    let scratch = cli.worker.scratch.unwrap_or_else(std::env::temp_dir);
    let tracker = Client::new(url, token).map_err(bad_spec)?;
    let store = Store::open(&store, &scratch)
        .map_err(|error| Failure::new(error.class(), reason::INTERNAL, error.to_string()))?;
    let allowed = cli.allow_network.into_iter().flatten().collect();
    let network = Network::new(allowed, cli.ca_file.as_deref()).map_err(bad_spec)?;
    let outcome = perform(task, &network, &store, &tracker, stop).await?;
    tracing::info!(content = %outcome.content.id, size = outcome.content.size, "done");
    Ok(())
}

/// A token that is cancelled by SIGTERM or SIGINT.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let unavailable = |error: std::io::Error| {
        Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to listen for signals: {error}"))
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    // Ends with the process: it owns nothing but the two signals.
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        token.cancel();
    });
    Ok(stop)
}
