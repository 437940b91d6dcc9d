//! The operator's process: flags, logs, signals, exit code.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use videocloud_operator::{
    config::{LogFormat, Settings},
    http, operator,
};

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Err(message) = settings.check() {
        eprintln!("{message}");
        return ExitCode::from(2);
    }
    logs(settings.log_format);
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

fn logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

#[tokio::main]
async fn start(settings: Settings) -> anyhow::Result<()> {
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::infer().await.context("failed to find a cluster: set KUBECONFIG, or run in a pod")?;
    let client = kube::Client::try_from(config).context("failed to make the cluster's client")?;
    let listener = http::bind(settings.http).await.map_err(|message| anyhow::anyhow!(message))?;
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        signalled.cancel();
    });
    operator::run(settings, client, listener, stop).await
}
