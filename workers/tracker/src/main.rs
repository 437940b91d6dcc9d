//! `videocloud-tracker`: reads flags, opens the database, serves until told to stop.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;
use videocloud_protocol::token::TokenKey;
use videocloud_tracker::{
    Settings, Tracker,
    check::check,
    config::{Config, LogFormat},
    database::Database,
    http::{Gate, router, serve},
};

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    // A second installation would fail; this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !config.check.is_empty() {
        return match check(&config.check).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                tracing::error!("failed to make an HTTP client: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let gate = match &config.key_file {
        Some(path) => Gate::new(Some(TokenKey::read(path)?), config.uploader_token_file.as_deref())?,
        None if config.insecure_no_auth => {
            tracing::warn!("serving everybody everything (--insecure-no-auth)");
            Gate::open()
        }
        None => return Err("failed to start: no --key-file; give one, or --insecure-no-auth to do without".into()),
    };
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(config.http)
        .await
        .map_err(|error| format!("failed to listen on {}: {error}; choose another --http", config.http))?;
    // Port 0 takes a free one: say which.
    let address = listener.local_addr()?;
    let database = Database::open(&config.database).await?;
    let settings = Settings { revalidate_after: config.revalidate_after, egress_capacity: config.egress_capacity };
    let tracker = Tracker::new(database, settings);
    let stopping = tracker.closing().clone();
    let served = tokio::spawn(serve(listener, router(tracker.clone(), gate), stopping.clone()));
    tracing::info!(http = %address, database = %config.database, version = env!("CARGO_PKG_VERSION"), "serving");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("stopping");
    stopping.cancel();
    served.await?;
    tracker.close().await;
    Ok(())
}
