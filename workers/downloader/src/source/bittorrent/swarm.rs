//! The discovery of one torrent: trackers, DHT and peers, from a name to sources.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::{Info, InfoHashes, Magnet, Metainfo, PieceLayers};

use super::handshake::{PeerId, new_peer_id};
use super::search::Search;
use super::sharing::Sharing;
use super::{Encryption, Network, dht};
use crate::discover::{Description, Discovery, Find, FindId, Found, FurtherLink, Held, PieceHashes, Pieces, Tail};
use crate::schedule::SpanSet;
use crate::source::http::{HttpSeed, HttpSource};
use crate::source::{BoxFuture, Source as _, SourceError};
use crate::torrent::{Plan, Proof, file_url, select};

/// Priority of a web seed among sources that were not measured.
const WEB_SEED: i32 = 90;

/// Pieces up to this length come whole from one peer, bytes: it proves them before they are written.
const LONG: u64 = 2 << 20;

/// Most HTTP seeds of one torrent.
const MAX_HTTP_SEEDS: usize = 20;

/// How a torrent was named.
#[derive(Clone, Debug)]
pub enum Named {
    /// By its file.
    File(Box<Metainfo>),
    /// By a magnet link.
    Magnet(Magnet),
}

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Path of the file that is wanted; the largest media file without.
    pub select: Option<String>,
    /// Whether the link or a digest proves the torrent's hashes.
    pub certified: bool,
    /// Whether the DHT is asked. Never for private torrents.
    pub dht: bool,
    /// Nodes at which the search begins, besides those that the torrent names.
    pub dht_nodes: Vec<(String, u16)>,
    /// Peers to begin with.
    pub peers: Vec<(String, u16)>,
    /// Encryption of connections.
    pub encryption: Encryption,
}

impl Default for Options {
    fn default() -> Self {
        let dht_nodes = dht::BOOTSTRAP.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
        let encryption = Encryption::default();
        Self { select: None, certified: false, dht: true, dht_nodes, peers: Vec::new(), encryption }
    }
}

/// See the module documentation.
pub struct Torrent {
    pub(super) named: Named,
    pub(super) options: Options,
    pub(super) network: Network,
    pub(super) peer: PeerId,
    /// Bytes that are still to come, for trackers.
    pub(super) left: Arc<AtomicU64>,
    /// Bytes given to peers, for trackers.
    pub(super) uploaded: Arc<AtomicU64>,
    /// Where what is given is read.
    held: OnceLock<Arc<dyn Held>>,
    /// What is there and proven.
    holds: watch::Sender<Arc<SpanSet>>,
    /// Bytes of the file, once known.
    size: AtomicU64,
    /// By what the engine calls them: peers that can be told to stop.
    pub(super) peers: Arc<Mutex<HashMap<FindId, (SocketAddr, CancellationToken)>>>,
}

impl Torrent {
    /// The discovery of what `named` names.
    #[must_use]
    pub fn new(named: Named, options: Options, network: Network) -> Self {
        // Unknown sizes are announced as one byte: 0 would say that this is a seed.
        let left = match &named {
            Named::File(file) => file.info.total(),
            Named::Magnet(_) => 1,
        };
        Self {
            named,
            options,
            network,
            peer: new_peer_id(),
            left: Arc::new(AtomicU64::new(left)),
            uploaded: Arc::default(),
            held: OnceLock::new(),
            holds: watch::Sender::default(),
            size: AtomicU64::new(0),
            peers: Arc::default(),
        }
    }

    pub(super) fn hashes(&self) -> InfoHashes {
        match &self.named {
            Named::File(file) => file.info.hashes(),
            Named::Magnet(magnet) => magnet.hashes,
        }
    }

    async fn discover(&self, finds: mpsc::Sender<Find>, stop: &CancellationToken) -> Result<(), SourceError> {
        let mut search = Search::begin(self, stop).await;
        let done = self.follow(&mut search, finds, stop).await;
        search.end().await;
        done
    }

    async fn follow(
        &self,
        search: &mut Search<'_>,
        finds: mpsc::Sender<Find>,
        stop: &CancellationToken,
    ) -> Result<(), SourceError> {
        let (info, layers) = match &self.named {
            Named::File(file) => (Arc::new(file.info.clone()), file.layers.clone()),
            Named::Magnet(_) => match search.metadata(&finds, stop).await? {
                Some(info) => (Arc::new(info), PieceLayers::new()),
                None => return Ok(()),
            },
        };
        if info.is_private() {
            search.only_trackers();
        }
        let bad = |error: crate::torrent::NotFound| SourceError::gone(reason::NOT_FOUND, error.to_string());
        let index = select(&info, self.options.select.as_deref()).map_err(bad)?;
        let known = info.files().get(index).and_then(|file| file.root).and_then(|root| layers.get(&root).cloned());
        let plan = match Plan::new(Arc::clone(&info), index, known) {
            Ok(plan) => plan,
            Err(_) => match search.layer(&info, index, &finds, stop).await {
                Some(layer) => Plan::new(Arc::clone(&info), index, Some(layer))
                    .map_err(|error| SourceError::gone(reason::PROTOCOL_ERROR, error.to_string()))?,
                None => return Ok(()),
            },
        };
        self.left.store(plan.file().length, Ordering::Relaxed);
        self.size.store(plan.file().length, Ordering::Relaxed);
        let description = self.describe(&plan, index)?;
        let parts = description.pieces.as_ref().is_some_and(|pieces| shares(pieces));
        if finds.send(Find::Description(description)).await.is_err() {
            return Ok(());
        }
        let plan = Arc::new(plan);
        for seed in self.http_seeds(&plan) {
            // Nobody listens any more when the download has ended.
            let _ = finds.send(Find::Source(seed)).await;
        }
        let sharing = Sharing::new(Arc::clone(&plan), self.held.get().cloned(), Arc::clone(&self.uploaded));
        search.gather(plan, (parts, Arc::new(sharing), self.holds.subscribe()), finds, stop).await;
        Ok(())
    }

    /// The HTTP seeds of BEP 17 that the torrent names. Their numbers are the highest, for peers count from 1.
    fn http_seeds(&self, plan: &Arc<Plan>) -> Vec<Found> {
        let Named::File(torrent) = &self.named else { return Vec::new() };
        let swarm = self.hashes().swarms().first().copied();
        let web = |link: &&Url| matches!(link.scheme(), "http" | "https");
        let links = torrent.http_seeds.iter().filter(web).take(MAX_HTTP_SEEDS);
        let found = links.zip(0..).filter_map(|(link, number)| {
            let (route, tls) = (self.network.route.clone(), Arc::clone(&self.network.tls));
            let source = HttpSource::new(link.clone(), http::HeaderMap::new(), route, tls);
            let source = Arc::new(HttpSeed::new(source, swarm?, Arc::clone(plan)));
            let label = format!("HTTP seed {}", source.host());
            Some(Found { id: FindId(u64::MAX - number), label, source, holds: None, priority: WEB_SEED })
        });
        found.collect()
    }

    /// What the torrent tells of the file.
    fn describe(&self, plan: &Plan, index: usize) -> Result<Description, SourceError> {
        let bad = |why: String| SourceError::gone(reason::PROTOCOL_ERROR, why);
        let info = plan.info();
        let each = plan.pieces().filter_map(|piece| plan.piece(piece));
        let first = plan.piece(plan.pieces().start).ok_or_else(|| bad("a file without pieces".into()))?;
        let hashes = match first.proof {
            Proof::Sha1(_) => PieceHashes::Sha1(
                each.filter_map(|piece| if let Proof::Sha1(hash) = piece.proof { Some(hash) } else { None }).collect(),
            ),
            Proof::Merkle { .. } => PieceHashes::Merkle(
                each.filter_map(|piece| if let Proof::Merkle { root, .. } = piece.proof { Some(root) } else { None })
                    .collect(),
            ),
        };
        let (file, before) = (plan.file(), u64::from(first.skip));
        let pieces = Pieces::new(info.piece_length(), file.length, before, tail(info, index), hashes)
            .map_err(|error| bad(error.to_string()))?;
        let seeds: &[Url] = match &self.named {
            Named::File(torrent) => &torrent.web_seeds,
            Named::Magnet(magnet) => &magnet.web_seeds,
        };
        let links = seeds.iter().filter_map(|seed| file_url(seed, info, index)?.as_str().parse().ok());
        let links = links.map(|link| FurtherLink { link, priority: WEB_SEED, location: None }).collect();
        Ok(Description {
            name: file.path.last().cloned(),
            size: Some(file.length),
            pieces: Some(Arc::new(pieces)),
            links,
            certified: self.options.certified || matches!(self.named, Named::Magnet(_)),
            ..Description::default()
        })
    }
}

/// Whether several peers give parts of one piece: it is long, and the engine can judge each.
fn shares(pieces: &Pieces) -> bool {
    let ends = [0, pieces.count().saturating_sub(1)];
    pieces.length() > LONG && ends.into_iter().all(|index| pieces.decidable(index))
}

/// What follows a file in the stream that pieces are cut from.
fn tail(info: &Info, index: usize) -> Tail {
    let end = info.files().get(index).map_or(0, |file| file.end());
    let next =
        info.files().iter().skip(index + 1).find(|file| file.length > 0).map_or(info.total(), |file| file.offset);
    if end == info.total() { Tail::End } else { Tail::Zeros(next - end) }
}

impl Discovery for Torrent {
    fn run(&self, finds: mpsc::Sender<Find>, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.discover(finds, &stop).await })
    }

    fn banned(&self, source: FindId) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((address, stop)) = peers.get(&source) {
            tracing::info!(%address, "a peer is banned");
            stop.cancel();
        }
    }

    fn lend(&self, held: Arc<dyn Held>) {
        // Only the first is used; there is one for a download.
        let _ = self.held.set(held);
    }

    fn verified(&self, holds: &SpanSet) {
        let size = self.size.load(Ordering::Relaxed);
        if size > 0 {
            self.left.store(size.saturating_sub(holds.total()), Ordering::Relaxed);
        }
        if self.held.get().is_some() {
            self.holds.send_replace(Arc::new(holds.clone()));
        }
    }
}
