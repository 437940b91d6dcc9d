//! The command: flags, logs, signals, exit codes. The work is in the library.

mod cli;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_transcoder::encode::Driver;
use videocloud_transcoder::task;
use videocloud_transcoder::tools::Tools;
use videocloud_transcoder::{profile, run};

use cli::{Cli, Command, LogFormat};

// Two workers even on one processor: signals and progress are served while files are hashed.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // A person who watches the progress bar is told the rest by it.
    let watched = matches!(cli.command, Some(Command::Run(_))) && std::io::stderr().is_terminal();
    logs(cli.log_format, if watched { "warn" } else { "info" });
    // Fails only when a provider is already installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match perform(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(class = ?failure.class, reason = %failure.reason, "{}", failure.message);
            ExitCode::from(failure.class.exit_code())
        }
    }
}

fn logs(format: LogFormat, otherwise: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| otherwise.into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn bad_spec(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, error.to_string())
}

async fn perform(cli: Cli) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let tools =
        Tools::find(cli.ffmpeg.as_deref(), cli.ffprobe.as_deref(), cli.ffmpeg_vmaf.as_deref()).map_err(bad_spec)?;
    let threads = cli.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let driver = Driver { tools, threads, stall: Duration::from_secs(cli.stall_seconds), stop };
    match cli.command {
        Some(Command::Run(args)) => {
            let settings = args.profile.iter().map(|name| profile::resolve(name)).collect::<Result<Vec<_>, _>>();
            let settings = settings.map_err(bad_spec)?.into_iter().flatten().collect();
            let options = args.options(settings);
            let report = run::run(&driver, &options).await?;
            for rendition in &report.renditions {
                let size = rendition.width.zip(rendition.height).map_or_else(String::new, |(w, h)| format!(" {w}x{h}"));
                let twin =
                    rendition.same_size_as.as_ref().map_or_else(String::new, |twin| format!(" (same size as {twin})"));
                println!("{}{size}: {} frames{twin}", rendition.name, rendition.frames);
            }
            println!("{}", options.out.display());
            Ok(())
        }
        step => {
            let order = cli.task.order(driver, step.and_then(Command::work))?;
            task::perform(&order.context, &order.task, order.index).await.map(drop)
        }
    }
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
