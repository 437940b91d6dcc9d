//! What the tracker hears while a step works and when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::{Progress, TaskResult};
use videocloud_protocol::tracker::Client;

use super::Context;

/// Time between two reports of progress.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long an interrupted step still tries to say so; the pod's grace time is 30 s.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What a step is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Fetching and probing the source.
    Probing,
    /// Encoding chunks.
    Encoding,
    /// Sound, join, packaging, checks.
    Packaging,
    /// Writing to the store.
    Publishing,
}

impl Stage {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Probing, "Probing"),
        (Self::Encoding, "Encoding"),
        (Self::Packaging, "Packaging"),
        (Self::Publishing, "Publishing"),
    ];
}

/// How far a step is, shared between the work and its reporter.
#[derive(Debug, Default)]
pub struct Progressing {
    stage: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progressing {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        let index = Stage::ALL.iter().position(|(each, _)| *each == stage).unwrap_or(0);
        self.stage.store(u8::try_from(index).unwrap_or(0), Ordering::Relaxed);
        tracing::info!(stage = Stage::ALL[index].1, "working");
    }

    /// Frames there are to encode.
    pub fn expect(&self, frames: u64) {
        self.total.store(frames, Ordering::Relaxed);
    }

    /// Frames encoded so far.
    pub fn frames(&self, frames: u64) {
        self.done.fetch_max(frames, Ordering::Relaxed);
    }

    fn stage(&self) -> &'static str {
        Stage::ALL.get(usize::from(self.stage.load(Ordering::Relaxed))).map_or("", |(_, name)| name)
    }
}

/// The reporting task of one step.
pub(super) struct Reporter {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Reporter {
    /// Stops reporting and waits until it has stopped.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            // It only panics if the runtime is shutting down, and then nobody listens any more.
            let _ = task.await;
        }
    }
}

/// Reports `progress` of `id` every two seconds while it changes.
pub(super) fn start(tracker: Option<Client>, id: TaskId, progress: Arc<Progressing>) -> Reporter {
    let stop = CancellationToken::new();
    let task = tracker.map(|tracker| tokio::spawn(follow(tracker, id, progress, stop.clone())));
    Reporter { stop, task }
}

async fn follow(tracker: Client, id: TaskId, progress: Arc<Progressing>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Progress, Instant)> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (done, total) = (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
        let now = Instant::now();
        let per_second = before
            .as_ref()
            .map_or(0.0, |(before, at)| done.saturating_sub(before.done) as f64 / (now - *at).as_secs_f64().max(0.001));
        let current = Progress {
            done,
            total: Some(total).filter(|total| *total > 0),
            per_second: per_second.round() as u64,
            stage: progress.stage().to_owned(),
            sources: Vec::new(),
            leading: 0,
        };
        if before.as_ref().is_some_and(|(before, _)| (before.done, &before.stage) == (done, &current.stage)) {
            continue;
        }
        // Lost progress does no harm: the next report says more.
        let sent = tokio::select! {
            () = stop.cancelled() => return,
            sent = tracker.progress(&id, &current) => sent,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "progress not taken");
        }
        before = Some((current, now));
    }
}

/// Reports the result until the tracker takes it; an interrupted step gives up after a while.
pub(super) async fn result(context: &Context, id: &TaskId, result: &TaskResult) -> Result<(), Failure> {
    let Some(tracker) = &context.tracker else { return Ok(()) };
    let untaken = |error: String| {
        Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to report the result of {id}: {error}"))
    };
    let report = tracker.report_until_taken(id, result);
    tokio::pin!(report);
    tokio::select! {
        taken = &mut report => return taken.map_err(|error| untaken(error.to_string())),
        () = context.driver.stop.cancelled() => {}
    }
    match tokio::time::timeout(LAST_WORDS, report).await {
        Ok(taken) => taken.map_err(|error| untaken(error.to_string())),
        Err(_) => Err(untaken("told to stop before the tracker took it".to_owned())),
    }
}
