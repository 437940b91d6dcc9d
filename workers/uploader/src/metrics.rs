//! What the uploader measures, in the OpenMetrics format. Labels come from fixed lists: bounded.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64},
};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

use crate::connections::Refused;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    kind: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Reason {
    const fn of(refused: Refused) -> Self {
        let reason = match refused {
            Refused::Total => "total",
            Refused::Address => "address",
        };
        Self { reason }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What is so at the moment the metrics are read.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Connections.
    pub connections: usize,
    /// Peers.
    pub peers: usize,
    /// Torrents that are known.
    pub torrents: usize,
    /// Bytes that takes.
    pub index: usize,
    /// Contents being sent or sent since the last report.
    pub contents: usize,
    /// Bytes lent to answers under way.
    pub buffered: usize,
    /// Generation of the table in force, 0 for none.
    pub generation: u64,
}

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    answers: Family<Answer, Counter>,
    sent: Family<Kind, Counter>,
    refused: Family<Reason, Counter>,
    cut: Family<Reason, Counter>,
    seeded: Counter,
    peers_refused: Family<Reason, Counter>,
    peers_ended: Family<Reason, Counter>,
    peers: Gauge<i64, AtomicI64>,
    torrents: Gauge<i64, AtomicI64>,
    index: Gauge<i64, AtomicI64>,
    reports: Family<Outcome, Counter>,
    connections: Gauge<i64, AtomicI64>,
    contents: Gauge<i64, AtomicI64>,
    buffered: Gauge<i64, AtomicI64>,
    generation: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Fresh metrics, all zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("videocloud_uploader");
        let (answers, sent) = (Family::default(), Family::default());
        let (refused, cut, reports) = (Family::default(), Family::default(), Family::default());
        let (connections, contents, buffered) = (Gauge::default(), Gauge::default(), Gauge::default());
        let generation = Gauge::default();
        let seeded = Counter::default();
        registry.register_with_unit("seeded", "Bytes sent to peers", Unit::Bytes, seeded.clone());
        let (peers_refused, peers_ended) = (Family::default(), Family::default());
        let (peers, torrents, index) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("refused_peers", "Peers beyond a limit", peers_refused.clone());
        registry.register("ended_peers", "Connections of peers that ended, by why", peers_ended.clone());
        registry.register("peers", "Peers connected", peers.clone());
        registry.register("torrents", "Torrents that peers may ask for", torrents.clone());
        registry.register_with_unit("torrent_index", "Memory that they take", Unit::Bytes, index.clone());
        registry.register("http_requests", "Requests answered, by what was asked for", answers.clone());
        registry.register_with_unit("http_sent", "Bytes of the store sent over HTTP", Unit::Bytes, sent.clone());
        registry.register("refused_connections", "Connections beyond a limit", refused.clone());
        registry.register("cut_connections", "Connections cut for being too slow", cut.clone());
        registry.register("reports", "Reports to the tracker", reports.clone());
        registry.register("connections", "Connections", connections.clone());
        registry.register("active_contents", "Contents sent since the last report", contents.clone());
        registry.register_with_unit("buffered", "Read and not yet sent", Unit::Bytes, buffered.clone());
        registry.register("table_generation", "Table of rates in force, 0 for none", generation.clone());
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let registry = Arc::new(registry);
        Self {
            registry,
            answers,
            sent,
            refused,
            cut,
            seeded,
            peers_refused,
            peers_ended,
            peers,
            torrents,
            index,
            reports,
            connections,
            contents,
            buffered,
            generation,
        }
    }

    /// Counts an answer.
    pub fn answered(&self, kind: &'static str, status: StatusCode) {
        self.answers.get_or_create(&Answer { kind, status: status.as_u16() }).inc();
    }

    /// The counter of bytes sent of a kind.
    #[must_use]
    pub fn sent(&self, kind: &'static str) -> Counter {
        self.sent.get_or_create(&Kind { kind }).clone()
    }

    /// Counts a connection that got no place.
    pub fn refused(&self, refused: Refused) {
        self.refused.get_or_create(&Reason::of(refused)).inc();
    }

    /// Counts a peer that got no place.
    pub fn refused_peer(&self, refused: Refused) {
        self.peers_refused.get_or_create(&Reason::of(refused)).inc();
    }

    /// The counter of bytes sent to peers.
    #[must_use]
    pub fn seeded(&self) -> Counter {
        self.seeded.clone()
    }

    /// Counts a peer's end.
    pub fn peer_ended(&self, reason: &'static str) {
        self.peers_ended.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a connection that was cut.
    pub fn cut(&self, reason: &'static str) {
        self.cut.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a report.
    pub fn reported(&self, outcome: &'static str) {
        self.reports.get_or_create(&Outcome { outcome }).inc();
    }

    /// The text to serve.
    #[must_use]
    pub fn text(&self, now: Now) -> String {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.connections.set(whole(now.connections));
        self.peers.set(whole(now.peers));
        self.torrents.set(whole(now.torrents));
        self.index.set(whole(now.index));
        self.contents.set(whole(now.contents));
        self.buffered.set(whole(now.buffered));
        self.generation.set(now.generation);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
