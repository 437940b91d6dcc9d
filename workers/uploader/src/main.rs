//! `videocloud-uploader`: reads flags, opens the store, serves until told to stop.

use std::{io::IsTerminal, net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use videocloud_protocol::{
    peer_wire::handshake::new_peer_id,
    token::TokenKey,
    tracker::{Client, UploaderTable},
};
use videocloud_store::Store;
use videocloud_uploader::{
    catalogue::{Catalogue, Standing},
    config::{Config, LogFormat},
    connections::{self, Drain, Limits, Places, Site},
    division,
    edge::{Edge, Settings},
    metrics::Metrics,
    probes::Probes,
    rates::{Swarms, UNLIMITED, file::TableFile},
    report::Reporter,
    seeding::{self, Announcer, Crowds, Seeder},
    source::{Library, buffers::Buffers, cache::Blocks, file::Files},
    torrents::Collection,
};

type Failure = Box<dyn std::error::Error>;

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
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Failure> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    raise_file_limit();
    let store = Store::open_to_read(&config.store)?;
    let standing = tracker(&config)?.map(|tracker| Arc::new(Standing::new(tracker)));
    let capacity = config.capacity.unwrap_or(UNLIMITED);
    let fallback = config.offline_rate.unwrap_or(capacity);
    let swarms = Arc::new(Swarms::new(capacity, fallback));
    let table = table(&config, fallback, &swarms)?;
    let metrics = Metrics::new();
    let buffers = Buffers::new(config.buffer_mib.saturating_mul(1 << 20));
    let blocks = Blocks::new(config.cache_mib.saturating_mul(1 << 20));
    let library = Arc::new(Library::new(store.clone(), Files::new(buffers.clone()), blocks));
    let torrents = Collection::new(store.clone(), Arc::clone(&library), !config.bittorrent.public_torrents);
    let peer = new_peer_id();
    let peers = match config.bittorrent.listen {
        Some(address) => Some(listen(address, "--bittorrent").await?),
        None => None,
    };
    let bittorrent = peers.as_ref().map(TcpListener::local_addr).transpose()?;
    let announcer = standing
        .clone()
        .zip(bittorrent)
        .map(|(standing, address)| Arc::new(Announcer::new(standing, Arc::clone(&torrents), peer, address.port())));
    let endpoint = config.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let edge = Arc::new(Edge::new(Settings {
        catalogue: Arc::new(Catalogue::new(standing.clone(), store)),
        library: Arc::clone(&library),
        torrents: Arc::clone(&torrents),
        announcer: announcer.clone(),
        endpoint: endpoint.clone(),
        swarms: Arc::clone(&swarms),
        signing_key: config.signing_key_file.as_deref().map(TokenKey::read).transpose()?,
        metrics: metrics.clone(),
    }));
    let viewers = listen(config.http, "--http").await?;
    let watchers = match config.metrics {
        Some(address) => Some(listen(address, "--metrics").await?),
        None => None,
    };
    let http = viewers.local_addr()?;
    let metrics_address = watchers.as_ref().map_or(Ok(http), TcpListener::local_addr)?;

    // One token for "send nobody here any more", one for "all answers have ended".
    let (closing, stopped) = (CancellationToken::new(), CancellationToken::new());
    let limits = Limits { total: config.max_connections, per_address: config.max_connections_per_address };
    let places = Places::new(limits);
    let peer_limits =
        Limits { total: config.bittorrent.max_peers, per_address: config.bittorrent.max_peers_per_address };
    let peer_places = Places::new(peer_limits);
    let probes = Probes {
        edge: Arc::clone(&edge),
        places: Arc::clone(&places),
        peers: Arc::clone(&peer_places),
        buffers,
        closing: closing.clone(),
    };
    let beside = watchers.is_none().then(|| probes.clone());
    let watching = watchers.map(|watchers| {
        // Who watches is not paid for by the capacity.
        let swarms = Arc::new(Swarms::new(UNLIMITED, UNLIMITED));
        let site = Site { edge: None, probes: Some(probes), metrics: metrics.clone(), swarms };
        let drain = Drain { delay: Duration::ZERO, timeout: Duration::from_secs(1) };
        let places = Places::new(Limits { total: 1_000, per_address: 0 });
        tokio::spawn(connections::serve(watchers, site, places, drain, stopped.clone()))
    });
    let site =
        Site { edge: Some(Arc::clone(&edge)), probes: beside, metrics: metrics.clone(), swarms: Arc::clone(&swarms) };
    let mut owned = JoinSet::new();
    // Web seeds are asked for by info hash, also where no peer is served.
    owned.spawn(Arc::clone(&torrents).follow(stopped.clone()));
    let seeding = peers.map(|listener| {
        let crowds = Crowds::new(Arc::clone(&swarms), !config.bittorrent.no_super_seeding);
        let seeder = Seeder {
            torrents: Arc::clone(&torrents),
            library,
            crowds,
            peer,
            places: peer_places,
            metrics: metrics.clone(),
        };
        owned.spawn(seeding::lend(Arc::clone(&swarms), stopped.clone()));
        tokio::spawn(seeding::serve(listener, Arc::new(seeder), config.drain_delay, closing.clone()))
    });
    if let Some(announcer) = announcer {
        // It says goodbye when peers are to come no more.
        owned.spawn(announcer.run(closing.clone()));
    }
    let own_table = table.is_some();
    if let Some((file, read)) = table {
        owned.spawn(file.follow(read, stopped.clone()));
    }
    let reports = standing.map(|standing| {
        let (divided, newest) = tokio::sync::watch::channel(0);
        if !own_table {
            owned.spawn(division::follow(Arc::clone(&standing), divided, stopped.clone()));
        }
        let reporter = Reporter {
            standing,
            division: newest,
            name: config.name.clone().unwrap_or_else(host_name),
            capacity,
            endpoint,
            cluster: config.bittorrent.cluster.clone(),
            bittorrent: bittorrent.map(|address| config.bittorrent.endpoints(address)).unwrap_or_default(),
            own_table,
            draining: closing.clone(),
            interval: config.report_interval,
            swarms,
            metrics,
        };
        tokio::spawn(reporter.run(stopped.clone()))
    });
    let tidying = tokio::spawn(tidy(Arc::clone(&edge), stopped.clone()));
    let drain = Drain { delay: config.drain_delay, timeout: config.drain_timeout };
    let served = tokio::spawn(connections::serve(viewers, site, places, drain, closing.clone()));
    let peers_at = bittorrent.map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(%http, bittorrent = peers_at, metrics = %metrics_address, version = env!("CARGO_PKG_VERSION"), "serving");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("stopping");
    closing.cancel();
    served.await?;
    if let Some(seeding) = seeding {
        seeding.await?;
    }
    stopped.cancel();
    while owned.join_next().await.transpose()?.is_some() {}
    if let Some(reports) = reports {
        reports.await?;
    }
    tidying.await?;
    if let Some(watching) = watching {
        watching.await?;
    }
    edge.settings().catalogue.close().await;
    Ok(())
}

fn tracker(config: &Config) -> Result<Option<Client>, Failure> {
    let Some(url) = &config.tracker else {
        tracing::warn!("no --tracker: only /c/<content id> is served");
        return Ok(None);
    };
    let token = match &config.token_file {
        Some(path) => read_token(path)?,
        None => String::new(),
    };
    Ok(Some(Client::new(url.clone(), token)?))
}

/// The table of rates, if there is one, and what it says now.
fn table(config: &Config, fallback: u64, swarms: &Arc<Swarms>) -> Result<Option<(TableFile, UploaderTable)>, Failure> {
    let Some(path) = config.table.clone() else { return Ok(None) };
    let file = TableFile { path, fallback, swarms: Arc::clone(swarms) };
    let read = file.read()?;
    Ok(Some((file, read)))
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("failed to read the token file {}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.map_err(|error| format!("failed to listen on {address}: {error}; choose another {flag}"))?)
}

/// Every connection and every open file takes a descriptor.
fn raise_file_limit() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
}

/// The replica's name, as the kernel has it: in a pod, the pod's name.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let name: String = name.chars().map(|c| if fine(c) { c } else { '-' }).take(253).collect();
    if name.is_empty() { "uploader".to_owned() } else { name }
}

/// Closes files nobody asks for, now and then.
async fn tidy(edge: Arc<Edge>, stopped: CancellationToken) {
    let mut rounds = tokio::time::interval(Duration::from_secs(30));
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        edge.settings().library.close_idle();
    }
}
