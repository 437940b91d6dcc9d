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
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        Self { registry: Arc::new(registry), answers, seconds, running, uploaders, sent }
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

    /// Sets the number of uploaders and the bytes they sent since the start.
    pub fn uploaders(&self, uploaders: usize, sent: u64) {
        self.uploaders.set(i64::try_from(uploaders).unwrap_or(i64::MAX));
        self.sent.inner().store(sent, std::sync::atomic::Ordering::Relaxed);
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
