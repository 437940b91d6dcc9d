//! What the tracker measures, in the OpenMetrics format. Labels are paths of the table of operations and status codes: bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use axum::http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    path: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    protocol: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    path: &'static str,
    status: u16,
}

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    answers: Family<Answer, Counter>,
    seconds: Family<Route, Histogram>,
    running: Gauge<i64, AtomicI64>,
    uploaders: Gauge<i64, AtomicI64>,
    sent: Counter<u64, AtomicU64>,
    bittorrent: Family<Request, Counter<u64, AtomicU64>>,
    swarms: Gauge<i64, AtomicI64>,
    peers: Gauge<i64, AtomicI64>,
    interval: Gauge<i64, AtomicI64>,
    samples: Gauge<i64, AtomicI64>,
    shares: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// Fresh metrics, all zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("videocloud_tracker");
        let answers = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let seconds = Family::new_with_constructor(histogram);
        let (running, uploaders, sent) = (Gauge::default(), Gauge::default(), Counter::default());
        registry.register("http_requests", "Requests answered", answers.clone());
        registry.register_with_unit("http_request", "Time to answer", Unit::Seconds, seconds.clone());
        registry.register("running_tasks", "Tasks whose progress is kept", running.clone());
        registry.register("uploaders", "Uploaders whose table holds", uploaders.clone());
        registry.register_with_unit("uploaders_sent", "Sent by uploaders as they report", Unit::Bytes, sent.clone());
        let bittorrent = Family::default();
        let (swarms, peers, interval, samples) = <(Gauge, Gauge, Gauge, Gauge)>::default();
        registry.register("bittorrent_requests", "BitTorrent requests by what became of them", bittorrent.clone());
        registry.register("swarms", "Swarms somebody is in, or was in lately", swarms.clone());
        registry.register("peers", "BitTorrent peers, without uploaders", peers.clone());
        let help = "Time peers are told to wait between announces";
        registry.register_with_unit("announce_interval", help, Unit::Seconds, interval.clone());
        registry.register("samples", "Samples of the interval that was finished last", samples.clone());
        let shares = Gauge::default();
        registry.register("host_shares", "Shares of hosts that downloads hold", shares.clone());
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        let registry = Arc::new(registry);
        Self {
            registry,
            answers,
            seconds,
            running,
            uploaders,
            sent,
            bittorrent,
            swarms,
            peers,
            interval,
            samples,
            shares,
        }
    }

    /// Counts an answer.
    pub fn answered(&self, method: &'static str, path: &'static str, status: StatusCode, took: Duration) {
        self.answers.get_or_create(&Answer { method, path, status: status.as_u16() }).inc();
        self.seconds.get_or_create(&Route { method, path }).observe(took.as_secs_f64());
    }

    /// Sets the number of running tasks.
    pub fn running(&self, tasks: usize) {
        self.running.set(i64::try_from(tasks).unwrap_or(i64::MAX));
    }

    /// Sets the number of shares of hosts that are held.
    pub fn shares(&self, shares: usize) {
        self.shares.set(i64::try_from(shares).unwrap_or(i64::MAX));
    }

    /// Sets the number of uploaders and the bytes they sent since the start.
    pub fn uploaders(&self, uploaders: usize, sent: u64) {
        self.uploaders.set(i64::try_from(uploaders).unwrap_or(i64::MAX));
        self.sent.inner().store(sent, std::sync::atomic::Ordering::Relaxed);
    }

    /// Sets how often something became of BitTorrent requests since the start, and what peers are told to wait.
    pub fn bittorrent(&self, counts: impl Iterator<Item = (&'static str, &'static str, u64)>, interval: u32) {
        for (protocol, outcome, count) in counts {
            let counter = self.bittorrent.get_or_create(&Request { protocol, outcome });
            counter.inner().store(count, std::sync::atomic::Ordering::Relaxed);
        }
        self.interval.set(i64::from(interval));
    }

    /// Sets the number of swarms and of peers.
    pub fn swarms(&self, swarms: usize, peers: usize) {
        self.swarms.set(i64::try_from(swarms).unwrap_or(i64::MAX));
        self.peers.set(i64::try_from(peers).unwrap_or(i64::MAX));
    }

    /// Sets the number of samples of the last finished interval.
    pub fn samples(&self, samples: usize) {
        self.samples.set(i64::try_from(samples).unwrap_or(i64::MAX));
    }

    /// The text to serve.
    #[must_use]
    pub fn text(&self) -> String {
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
