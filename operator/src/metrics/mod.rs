//! What the operator says of itself at `/metrics`: names `videocloud_operator_<noun>_<unit>`, labels bounded by types, gauges
//! gathered from the index at scrape time.

mod pools;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use videocloud_protocol::failure::reason;

use crate::index::{Index, SOURCE_STATES, Transfers};
pub use pools::PoolGauges;
use pools::Pools;

/// A controller, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Controller {
    /// VideoObjects.
    Video,
    /// TranscodeJobs.
    Transcode,
    /// BandwidthPools.
    Pool,
    /// UploadClusters.
    Cluster,
}

/// How a pass ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Nothing was to do.
    Unchanged,
    /// Something was written.
    Changed,
    /// It failed and will be tried again.
    Error,
}

/// What was asked of the API server, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Verb {
    /// One object read.
    Get,
    /// Several read.
    List,
    /// One made.
    Create,
    /// A status applied.
    ApplyStatus,
    /// A field patched.
    Patch,
    /// One deleted.
    Delete,
}

impl Verb {
    /// The verb in a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::ApplyStatus => "apply the status of",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What came of a call, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum CallOutcome {
    /// Answered.
    Done,
    /// 409.
    Conflict,
    /// 404.
    Missing,
    /// Refused or broken.
    Failed,
    /// No answer in time.
    Timeout,
}

/// A step of admission or the sweep, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Step {
    /// A Job was made.
    Created,
    /// A Job was there already.
    Adopted,
    /// A Job was held back.
    Suspended,
    /// A Job was let go.
    Resumed,
    /// A Job was removed to be made again.
    Reset,
    /// A Job nobody owns was removed.
    Swept,
    /// A step failed and will be tried again.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    controller: Controller,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: Controller,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: Verb,
    kind: String,
    outcome: CallOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Reasons of dropped sources that are counted by name; all others are `Other`, so that no worker can add labels.
const DROP_REASONS: [&str; 14] = [
    reason::NOT_FOUND,
    reason::FORBIDDEN,
    reason::NAME_NOT_RESOLVED,
    reason::ADDRESS_FORBIDDEN,
    reason::TLS_FAILED,
    reason::UNREACHABLE,
    reason::BAD_REDIRECT,
    reason::PROTOCOL_ERROR,
    reason::CHANGED,
    reason::DIGEST_MISMATCH,
    reason::SIZE_MISMATCH,
    reason::TOO_LARGE,
    reason::NOT_MEDIA,
    reason::UNSUPPORTED_SOURCE,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    ok: &'static str,
}

/// All metrics. Clones count into the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    steps: Family<StepLabels, Counter>,
    answers: Family<AnswerLabels, Counter>,
    leader: Gauge<i64, AtomicI64>,
    objects: Family<ObjectLabels, Gauge>,
    queue: Family<ControllerLabels, Gauge>,
    tasks: Family<TaskLabels, Gauge>,
    waiting: Gauge<i64, AtomicI64>,
    download_rate: Gauge<u64, AtomicU64>,
    download_done: Gauge<u64, AtomicU64>,
    download_wanted: Gauge<u64, AtomicU64>,
    quiet_downloads: Gauge<u64, AtomicU64>,
    sources: Family<SourceLabels, Gauge>,
    dropped: Family<ReasonLabels, Counter>,
    pools: Pools,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Passes take from a tenth of a millisecond to seconds.
fn pass_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 9))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that count from nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("videocloud_operator");
        let passes = Family::default();
        registry.register("reconciles", "Passes over one object, by controller and outcome", passes.clone());
        let pass_seconds = Family::new_with_constructor(pass_histogram as fn() -> Histogram);
        registry.register_with_unit("reconcile", "Duration of a pass", Unit::Seconds, pass_seconds.clone());
        let calls = Family::default();
        registry.register("api_calls", "Calls to the API server, watches aside", calls.clone());
        let steps = Family::default();
        registry.register("job_steps", "What admission and the sweep did to Jobs", steps.clone());
        let answers = Family::default();
        registry.register("tracker_reads", "Batches of updates read from the tracker", answers.clone());
        let leader = Gauge::default();
        registry.register("leader", "1 on the replica that holds the Lease", leader.clone());
        let objects = Family::default();
        registry.register("objects", "Objects in the index, by kind", objects.clone());
        let queue = Family::default();
        registry.register("queue_objects", "Objects that wait for a pass", queue.clone());
        let tasks = Family::default();
        registry.register("tasks", "Tasks the tracker knows, by state", tasks.clone());
        let waiting = Gauge::default();
        registry.register("waiting_jobs", "Jobs that wait for a place", waiting.clone());
        let download_rate = Gauge::default();
        let help = "Bytes per second over all running downloads, as reported last";
        registry.register("download_rate_bytes_per_second", help, download_rate.clone());
        let download_done = Gauge::default();
        let help = "Bytes all running downloads have, as reported last";
        registry.register("download_done_bytes", help, download_done.clone());
        let download_wanted = Gauge::default();
        let help = "Bytes all running downloads want, as far as sizes are known";
        registry.register("download_wanted_bytes", help, download_wanted.clone());
        let quiet_downloads = Gauge::default();
        let help = "Running downloads none of whose sources gives or could give bytes";
        registry.register("quiet_downloads", help, quiet_downloads.clone());
        let sources = Family::default();
        registry.register("download_sources", "Sources of all running downloads, by state", sources.clone());
        let dropped = Family::default();
        registry.register("dropped_sources", "Sources that were given up, by reason", dropped.clone());
        let pools = Pools::register(&mut registry);
        registry.register("build", "The version that runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        Self {
            registry: Arc::new(registry),
            passes,
            pass_seconds,
            calls,
            steps,
            answers,
            leader,
            objects,
            queue,
            tasks,
            waiting,
            download_rate,
            download_done,
            download_wanted,
            quiet_downloads,
            sources,
            dropped,
            pools,
        }
    }

    /// Counts a pass.
    pub fn pass(&self, controller: Controller, outcome: Outcome, took: Duration) {
        self.passes.get_or_create(&PassLabels { controller, outcome }).inc();
        self.pass_seconds.get_or_create(&ControllerLabels { controller }).observe(took.as_secs_f64());
    }

    /// Counts a call to the API server.
    pub fn api_call(&self, verb: Verb, kind: &str, outcome: CallOutcome) {
        self.calls.get_or_create(&CallLabels { verb, kind: kind.to_owned(), outcome }).inc();
    }

    /// Calls of one verb so far, over kinds and outcomes: tests compare it.
    #[must_use]
    pub fn api_calls(&self, verb: Verb, kind: &str) -> u64 {
        [CallOutcome::Done, CallOutcome::Conflict, CallOutcome::Missing, CallOutcome::Failed, CallOutcome::Timeout]
            .into_iter()
            .map(|outcome| self.calls.get_or_create(&CallLabels { verb, kind: kind.to_owned(), outcome }).get())
            .sum()
    }

    /// Counts a step of admission or the sweep.
    pub fn step(&self, step: Step) {
        self.steps.get_or_create(&StepLabels { step }).inc();
    }

    /// Counts a batch read from the tracker.
    pub fn tracker_answered(&self, ok: bool) {
        self.answers.get_or_create(&AnswerLabels { ok: if ok { "true" } else { "false" } }).inc();
    }

    /// Counts a source that was given up.
    pub fn source_dropped(&self, reason: &str) {
        let reason = DROP_REASONS.into_iter().find(|known| *known == reason).unwrap_or("Other");
        self.dropped.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Says whether this replica leads.
    pub fn lead(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The text of `/metrics`, gauges gathered from `index` now.
    #[must_use]
    pub fn text(&self, index: &Index) -> String {
        self.gather(index);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "failed to encode metrics");
        }
        text
    }

    fn gather(&self, index: &Index) {
        let state = index.state();
        let count = |kind, number: usize| {
            self.objects.get_or_create(&ObjectLabels { kind }).set(i64::try_from(number).unwrap_or(i64::MAX));
        };
        count("VideoObject", state.videos.len());
        count("TranscodeJob", state.transcodes.len());
        count("TranscodeProfile", index.profiles.len());
        count("BandwidthPool", index.pools.len());
        count("UploadCluster", index.clusters.len());
        count("Job", state.jobs.iter().count());
        for (controller, queue) in [
            (Controller::Video, &index.video_wakes),
            (Controller::Transcode, &index.transcode_wakes),
            (Controller::Pool, &index.pool_wakes),
            (Controller::Cluster, &index.cluster_wakes),
        ] {
            let number = i64::try_from(queue.len()).unwrap_or(i64::MAX);
            self.queue.get_or_create(&ControllerLabels { controller }).set(number);
        }
        let (running, succeeded, failed) = state.tasks.counts();
        for (name, number) in [("running", running), ("succeeded", succeeded), ("failed", failed)] {
            self.tasks.get_or_create(&TaskLabels { state: name }).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        self.waiting
            .set(i64::try_from(state.waiting.downloads.len() + state.waiting.renditions.len()).unwrap_or(i64::MAX));
        let Transfers { per_second, done, total, quiet, sources } = state.tasks.transfers();
        self.download_rate.set(per_second);
        self.download_done.set(done);
        self.download_wanted.set(total);
        self.quiet_downloads.set(quiet);
        for name in SOURCE_STATES {
            let number = sources.get(name).copied().unwrap_or_default();
            self.sources.get_or_create(&SourceLabels { state: name }).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }
}
