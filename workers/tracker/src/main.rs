//! `videocloud-tracker`: reads flags, opens the database, serves until told to stop.

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;
use videocloud_protocol::token::TokenKey;
use videocloud_tracker::{
    Delivery, Settings, Tracker,
    bittorrent::{probe, udp::UdpServer},
    check::check,
    config::{Config, LogFormat},
    http::{Gate, router, serve},
    standby,
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
        None if config.bittorrent.open => {
            tracing::info!("no --key-file: announces are served, the API is closed");
            Gate::new(TokenKey::new(&rand::random::<[u8; 32]>()), config.uploader_token_file.as_deref())?
        }
        None => return Err("failed to start: no --key-file; give one, or --insecure-no-auth to do without".into()),
    };
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(config.http)
        .await
        .map_err(|error| format!("failed to listen on {}: {error}; choose another --http", config.http))?;
    // Port 0 takes a free one: say which.
    let address = listener.local_addr()?;
    let listener = listener.into_std()?;
    let database = tokio::select! {
        database = standby::open(&config.database, &listener) => database?,
        _ = terminated.recv() => return Ok(()),
        _ = interrupted.recv() => return Ok(()),
    };
    let listener = TcpListener::from_std(listener)?;
    let settings = Settings { revalidate_after: config.revalidate_after, egress_capacity: config.egress_capacity };
    let delivery = Delivery {
        swarms: config.bittorrent.swarms(),
        announce_key: config.key_file.as_deref().map(TokenKey::read).transpose()?,
        announce_bases: config.bittorrent.announce_base.iter().map(ToString::to_string).collect(),
    };
    let tracker = Tracker::start(database, settings, delivery).await?;
    let threads = usize::from(config.bittorrent.udp_threads);
    let mut udp = Vec::new();
    for address in &config.bittorrent.udp {
        udp.push(UdpServer::start(*address, threads, &tracker.swarms, &tracker.counts)?);
    }
    let udp_addresses: Vec<String> = udp.iter().map(|server| server.address().to_string()).collect();
    let stopping = tracker.closing().clone();
    let served = tokio::spawn(serve(listener, router(tracker.clone(), gate), stopping.clone()));
    let probing = (config.bittorrent.probe_peers > 0).then(|| {
        let (rate, allowed) = (config.bittorrent.probe_peers, config.bittorrent.probe_network.clone());
        tokio::spawn(probe(Arc::clone(&tracker.swarms), rate, allowed, stopping.clone()))
    });
    let udp_addresses = udp_addresses.join(",");
    tracing::info!(http = %address, udp = udp_addresses, database = %config.database, version = env!("CARGO_PKG_VERSION"), "serving");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        // At once: nothing that this one still knows may be written.
        error = standby::taken_over(&tracker) => return Err(error.into()),
    }
    tracing::info!("stopping");
    stopping.cancel();
    served.await?;
    if let Some(probing) = probing {
        probing.await?;
    }
    // Before the swarms are written for the last time.
    tokio::task::spawn_blocking(move || udp.into_iter().for_each(UdpServer::stop)).await?;
    tracker.close().await;
    Ok(())
}
