//! What this replica knows: objects at rest, compact rows beside them, and what the tracker last said. Filled by the watches and
//! the tracker's updates on every replica; read by passes, admission and the sweep on the leader. No pass asks the API server.
//!
//! Each change wakes exactly those it matters to ([`changes`]). Locks are held for the time of a look-up and never across a wait.

mod asks;
mod cache;
mod changes;
mod group;
mod jobs;
mod ledger;
mod name;
mod poll;
mod pools;
mod samples;
mod tasks;
mod transcodes;
mod videos;
mod wake;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;
use videocloud_crds::{
    BandwidthPool, BandwidthPoolStatus, TranscodeJob, TranscodeJobStatus, TranscodeProfile, UploadCluster, VideoObject,
    VideoObjectStatus,
};
use videocloud_protocol::{
    failure::FailureClass,
    ids::{ClaimKey, ContentId, RenditionKey, RunId, TaskId},
    task::{TaskResult, TaskState},
};

pub use asks::{Ask, Wanted};
pub use cache::Cache;
pub use changes::Departed;
pub use jobs::{JobRow, JobRows, JobState, WatchedJob};
pub use ledger::{Ledger, Resolved};
pub use name::Named;
pub use poll::follow_tracker;
pub use samples::{Health, Measured, follow_samples};
pub(crate) use tasks::SOURCE_STATES;
pub use tasks::{Changed, Mark, TaskRow, TaskTable, Transfers};
pub use transcodes::{Demand, TranscodeRow, TranscodeRows};
pub use videos::{VideoRow, VideoRows};
pub use wake::WakeQueue;
pub use watch::follow_cluster;

use crate::work::WorkState;

/// What admission found no place for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Downloads.
    pub downloads: BTreeSet<ClaimKey>,
    /// Renditions.
    pub renditions: BTreeSet<RenditionKey>,
}

/// Why a download cannot be made for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the owner.
    pub message: String,
    /// When it is tried again.
    pub until: Instant,
}

/// A status that was written, and the version of the object it was written over: what a pass goes by until the watch shows it.
#[derive(Debug, Clone)]
pub struct Written<S> {
    /// The version before.
    pub over: Option<String>,
    /// The status.
    pub status: S,
}

/// A status of a pool that was committed: what a pass goes by until the watch shows it.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The version it was written over.
    pub over: Option<String>,
    /// The version it made.
    pub version: Option<String>,
    /// The status.
    pub status: BandwidthPoolStatus,
}

/// Rows and tables, under one lock.
#[derive(Debug, Default)]
pub struct State {
    /// VideoObjects.
    pub videos: VideoRows,
    /// TranscodeJobs.
    pub transcodes: TranscodeRows,
    /// Jobs.
    pub jobs: JobRows,
    /// The tracker's tasks.
    pub tasks: TaskTable,
    /// What the tracker was told.
    pub ledger: Ledger,
    /// What admission found no place for.
    pub waiting: Waiting,
    /// Videos whose TranscodeJobs are being made: their set is not complete yet.
    pub preparing: HashSet<Named>,
    /// Contents found for videos whose status does not show them yet, by uid.
    pub found: HashMap<String, ContentId>,
    /// Statuses of VideoObjects on their way to the watch, by uid.
    pub written_videos: HashMap<String, Written<VideoObjectStatus>>,
    /// Statuses of TranscodeJobs on their way to the watch, by uid.
    pub written_transcodes: HashMap<String, Written<TranscodeJobStatus>>,
    /// Downloads whose Secrets or documents could not be had, and until when they are not tried again.
    pub refused: HashMap<ClaimKey, Refusal>,
    /// Downloads whose Secret this leader has made.
    pub given: HashSet<ClaimKey>,
    /// Work that was lost and is made again: how often it was made.
    pub attempts: HashMap<TaskId, u32>,
    /// When each object's progress was last written, by uid.
    pub progress_written: HashMap<String, Instant>,
    /// Ended Jobs whose result may not have been read yet.
    unsettled: BTreeMap<String, Mark>,
    /// Labels of namespaces, for the tenants of pools.
    pub namespaces: HashMap<Arc<str>, BTreeMap<String, String>>,
    /// Commits of pools on their way to the watch, by uid.
    pub committed_pools: HashMap<String, Committed>,
    /// Objects that went and were not swept yet.
    departed: Vec<Departed>,
    /// Pools that went and are not forgotten by the tracker yet.
    departed_pools: BTreeSet<String>,
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    /// VideoObjects, pruned.
    pub videos: Cache<VideoObject>,
    /// TranscodeJobs, pruned.
    pub transcodes: Cache<TranscodeJob>,
    /// TranscodeProfiles, pruned.
    pub profiles: Cache<TranscodeProfile>,
    /// BandwidthPools, pruned.
    pub pools: Cache<BandwidthPool>,
    /// UploadClusters, pruned.
    pub clusters: Cache<UploadCluster>,
    /// What the tracker measured last.
    pub measured: Measured,
    /// BandwidthPools to look at.
    pub pool_wakes: WakeQueue,
    /// UploadClusters to look at.
    pub cluster_wakes: WakeQueue,
    /// VideoObjects to look at.
    pub video_wakes: WakeQueue,
    /// TranscodeJobs to look at.
    pub transcode_wakes: WakeQueue,
    /// Rung when admission has something to decide.
    pub admission: Notify,
    /// Rung when something may have lost its owner.
    pub sweep: Notify,
    poke: Notify,
    state: Mutex<State>,
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The rows, for a look-up. Never hold it across a wait.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run and how its three parts stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Which.
    pub run: RunId,
    /// What it makes.
    pub renditions: Vec<RenditionKey>,
    /// Namespace whose limit it counts against.
    pub namespace: String,
    /// The plan.
    pub plan: WorkState,
    /// The chunks.
    pub chunks: WorkState,
    /// Chunks done and chunks in all, when there are several.
    pub counts: Option<(u32, u32)>,
    /// Of chunks that ran out of memory in the first Job, when there is no second yet: which.
    pub short: Vec<u32>,
    /// The finish.
    pub finish: WorkState,
    /// Which making of its latest Job this is, from 1.
    pub attempt: u32,
}

impl State {
    /// Whether the tracker was read after this Job was seen to end.
    #[must_use]
    pub fn is_settled(&self, job: &str) -> bool {
        !self.unsettled.contains_key(job)
    }

    /// How the work of a Job named as `task` stands.
    #[must_use]
    pub fn work(&self, task: &TaskId) -> WorkState {
        let name = task.as_str();
        WorkState::of(self.jobs.get(name), self.tasks.get(task), self.is_settled(name))
    }

    /// How the download of `key` stands.
    #[must_use]
    pub fn download(&self, key: &ClaimKey) -> WorkState {
        self.work(&TaskId::download(key))
    }

    /// How the chunks of a run stand: each index reports for itself, the Job counts them.
    fn chunk_work(&self, run: &RunId, task: &TaskId) -> WorkState {
        let Some(job) = self.jobs.get(task.as_str()) else { return WorkState::Absent };
        let all = self.jobs.get(TaskId::chunks(run).as_str()).map_or(job.completions, |first| first.completions);
        let reports = (0..all).filter_map(|index| self.tasks.get(&TaskId::chunk(run, index)));
        let mut shown = None;
        for report in reports {
            let one = WorkState::of(Some(job), Some(report), self.is_settled(task.as_str()));
            match one {
                WorkState::Failed(_) => return one,
                WorkState::Active { last_failure: Some(_), .. } => shown = Some(one),
                _ => {}
            }
        }
        // A pod that is killed between its last word and its end costs nothing: the word is as good as the exit code.
        let is_whole = self.given_up(run).is_some_and(|given_up| given_up.is_empty());
        if matches!(job.state, JobState::Failed(_)) && self.is_settled(task.as_str()) && is_whole {
            return WorkState::Lost { reason: "Complete".into() };
        }
        shown.unwrap_or_else(|| WorkState::of(Some(job), None, self.is_settled(task.as_str())))
    }

    /// Chunks the first Job of a run gave up and nobody has reported done, where it ended by giving some up.
    fn given_up(&self, run: &RunId) -> Option<Vec<u32>> {
        let job = self.jobs.get(TaskId::chunks(run).as_str()).filter(|job| !job.failed_indexes.is_empty())?;
        let is_done = |index: &u32| {
            let report = self.tasks.get(&TaskId::chunk(run, *index));
            report.is_some_and(|report| matches!(report.state, TaskState::Ended(TaskResult::Succeeded(_))))
        };
        Some(job.failed_indexes.iter().filter(|index| !is_done(index)).copied().collect())
    }

    /// Chunks the first Job of a run gave up for want of memory: by their own word, or killed before they could say one.
    fn short_of_memory(&self, run: &RunId) -> Vec<u32> {
        let given_up = match self.given_up(run) {
            Some(given_up) if self.is_settled(TaskId::chunks(run).as_str()) => given_up,
            _ => return Vec::new(),
        };
        let is_short = |index: &u32| {
            let report = self.tasks.get(&TaskId::chunk(run, *index));
            let said = report.and_then(|report| report.last_failure.as_ref());
            let ended = report.is_some_and(|report| matches!(report.state, TaskState::Ended(_)));
            // One that was told to stop, and killed before it had, looks the same from outside.
            let fits = |class| matches!(class, FailureClass::Resources | FailureClass::Interrupted);
            !ended && said.is_none_or(|failure| fits(failure.class))
        };
        if given_up.iter().all(is_short) { given_up } else { Vec::new() }
    }

    /// Chunks that are done, of how many.
    fn chunk_counts(&self, run: &RunId, first: &JobRow, second: Option<&JobRow>) -> (u32, u32) {
        let counted = first.succeeded + second.map_or(0, |second| second.succeeded);
        let told = self.given_up(run).map_or(0, |open| first.completions.saturating_sub(open.len() as u32));
        (counted.max(told), first.completions)
    }

    /// How a run stands, when one of its Jobs exists.
    #[must_use]
    pub fn run(&self, run: &RunId) -> Option<RunView> {
        let parts = [TaskId::plan(run), TaskId::chunks(run), TaskId::again(run), TaskId::finish(run)];
        let [plan, chunks, again, finish] = &parts;
        let job = parts.iter().find_map(|task| self.jobs.get(task.as_str()))?;
        let (first, second) = (self.jobs.get(chunks.as_str()), self.jobs.get(again.as_str()));
        Some(RunView {
            run: *run,
            renditions: job.renditions.clone(),
            namespace: job.namespace.clone(),
            plan: self.work(plan),
            chunks: self.chunk_work(run, if second.is_some() { again } else { chunks }),
            counts: first.map(|first| self.chunk_counts(run, first, second)),
            short: if second.is_some() { Vec::new() } else { self.short_of_memory(run) },
            finish: self.work(finish),
            attempt: parts.iter().rev().find_map(|task| self.jobs.get(task.as_str())).map_or(1, |job| job.attempt),
        })
    }

    /// Every run some Job exists of.
    #[must_use]
    pub fn runs(&self) -> Vec<RunView> {
        let runs = self.jobs.iter().filter_map(|(_, row)| row.run());
        let runs: BTreeSet<RunId> = runs.collect();
        runs.iter().filter_map(|run| self.run(run)).collect()
    }

    /// The run that makes or made a rendition.
    #[must_use]
    pub fn run_of(&self, key: &RenditionKey) -> Option<RunView> {
        let run = self.jobs.run_of(key)?;
        self.run(&run)
    }

    /// Which making of `task` the next one is, from 1.
    #[must_use]
    pub fn next_attempt(&self, task: &TaskId) -> u32 {
        self.attempts.get(task).map_or(1, |attempt| attempt + 1)
    }
}
