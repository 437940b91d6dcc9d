//! What the tracker hears while a download runs and when it has ended.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::{Progress, TaskResult};
use videocloud_protocol::tracker::Client;

use crate::engine::Status;

/// Time between two reports of progress.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long an interrupted download still tries to say so; a pod's grace time is 30 s.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The reporting task of one download.
pub(super) struct Reporter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Stops reporting and waits until it has stopped.
    pub(super) async fn end(self) {
        self.stop.cancel();
        // It only panics when the runtime shuts down, and then nobody listens any more.
        let _ = self.task.await;
    }
}

/// Reports the state of `status` while it changes.
pub(super) fn start(tracker: Client, id: TaskId, status: Status) -> Reporter {
    let stop = CancellationToken::new();
    let task = tokio::spawn(follow(tracker, id, status, stop.clone()));
    Reporter { stop, task }
}

async fn follow(tracker: Client, id: TaskId, status: Status, stop: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Progress::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Progress::from(status.now());
        if now == told {
            continue;
        }
        // Lost progress does no harm: the next report says more.
        let sent = tokio::select! {
            () = stop.cancelled() => return,
            sent = tracker.progress(&id, &now) => sent,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "progress not taken");
        }
        told = now;
    }
}

/// Reports the result until the tracker takes it; a download that was told to stop gives up after a while.
pub(super) async fn result(
    tracker: &Client,
    id: &TaskId,
    result: &TaskResult,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let untaken = |error: String| {
        Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to report the result of {id}: {error}"))
    };
    let report = tracker.report_until_taken(id, result);
    tokio::pin!(report);
    tokio::select! {
        taken = &mut report => return taken.map_err(|error| untaken(error.to_string())),
        () = stop.cancelled() => {}
    }
    match tokio::time::timeout(LAST_WORDS, report).await {
        Ok(taken) => taken.map_err(|error| untaken(error.to_string())),
        Err(_) => Err(untaken("told to stop before the tracker took it".to_owned())),
    }
}
