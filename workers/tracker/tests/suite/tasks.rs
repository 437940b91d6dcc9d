//! Tasks: results, progress, the stream of changes.

use std::time::Duration;

use videocloud_protocol::{
    content::Visibility,
    failure::FailureClass,
    ids::{ClaimKey, RunId, TaskId},
    task::{ChunkOutcome, Outcome, Progress, TaskRecord, TaskResult, TaskState},
    tracker::Client,
};
use videocloud_tracker::database::DatabaseLocation;

use crate::support::{Running, content, downloaded, failed};

const LONG: Duration = Duration::from_secs(30);

fn task(seed: u8) -> TaskId {
    TaskId::download(&ClaimKey::from_bytes([seed; 16]))
}

fn done(seed: u8) -> TaskResult {
    downloaded(content(seed, Visibility::Public), Vec::new())
}

fn progress(done: u64) -> Progress {
    Progress { done, stage: "Downloading".into(), ..Progress::default() }
}

/// The next change after `after`.
async fn next(operator: &Client, after: u64) -> TaskRecord {
    let mut updates = operator.updates(after, LONG).await.unwrap();
    assert_eq!(updates.tasks.len(), 1, "{updates:?}");
    assert_eq!(updates.revision, updates.tasks[0].revision);
    updates.tasks.remove(0)
}

pub async fn results_survive_a_restart_and_revisions_grow(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    tracker.worker(&task(1)).report(&task(1), &done(1)).await.unwrap();
    let before = tracker.operator().updates(0, Duration::ZERO).await.unwrap();
    assert_eq!(before.tasks[0].state, TaskState::Ended(done(1)));
    tracker.stop().await;
    let tracker = Running::start(location).await;
    let after = tracker.operator().updates(0, Duration::ZERO).await.unwrap();
    assert_eq!((&after.tasks, &after.epoch), (&before.tasks, &before.epoch));
    assert!(after.revision > before.revision);
    tracker.worker(&task(2)).report(&task(2), &done(2)).await.unwrap();
    let news = tracker.operator().updates(before.revision, Duration::ZERO).await.unwrap();
    assert_eq!(news.tasks.iter().map(|record| record.task.clone()).collect::<Vec<_>>(), [task(2)]);
    // A revision of a database that is no more: everything is told again.
    let future = tracker.operator().updates(u64::MAX >> 1, LONG).await.unwrap();
    assert_eq!(future.tasks.len(), 2);
    tracker.stop().await;
}

pub async fn progress_then_failure_then_success(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let (operator, worker) = (tracker.operator(), tracker.worker(&task(1)));
    worker.progress(&task(1), &progress(5)).await.unwrap();
    let running = next(&operator, 0).await;
    assert_eq!((running.state, running.last_failure), (TaskState::Running(progress(5)), None));
    worker.report(&task(1), &failed(FailureClass::Transient)).await.unwrap();
    let retrying = next(&operator, running.revision).await;
    assert_eq!(retrying.state, TaskState::Running(Progress::default()));
    let failure = retrying.last_failure.unwrap();
    assert_eq!(failure.class, FailureClass::Transient);
    worker.progress(&task(1), &progress(6)).await.unwrap();
    let again = next(&operator, retrying.revision).await;
    assert_eq!((again.state, again.last_failure), (TaskState::Running(progress(6)), Some(failure)));
    worker.report(&task(1), &done(1)).await.unwrap();
    let ended = next(&operator, again.revision).await;
    assert_eq!((ended.state, ended.last_failure), (TaskState::Ended(done(1)), None));
    assert_eq!(operator.updates(0, Duration::ZERO).await.unwrap().tasks.len(), 1);
    tracker.stop().await;
}

pub async fn late_reports_change_nothing(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let (operator, worker) = (tracker.operator(), tracker.worker(&task(1)));
    worker.report(&task(1), &failed(FailureClass::BadInput)).await.unwrap();
    let failure = next(&operator, 0).await;
    worker.progress(&task(1), &progress(9)).await.unwrap();
    worker.report(&task(1), &failed(FailureClass::Interrupted)).await.unwrap();
    let same = operator.updates(failure.revision, Duration::from_secs(1)).await.unwrap();
    assert!(same.tasks.is_empty(), "{same:?}");
    worker.report(&task(1), &done(1)).await.unwrap();
    let success = next(&operator, failure.revision).await;
    worker.report(&task(1), &failed(FailureClass::BadInput)).await.unwrap();
    assert_eq!(next(&operator, 0).await, success);
    // The same again is taken, and told again.
    worker.report(&task(1), &done(1)).await.unwrap();
    assert_eq!(next(&operator, success.revision).await.state, success.state);
    tracker.stop().await;
}

pub async fn a_poll_wakes_on_a_result_and_ends_on_time(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let operator = tracker.operator();
    let after = operator.updates(0, Duration::ZERO).await.unwrap().revision;
    let nothing = operator.updates(after, Duration::from_secs(1)).await.unwrap();
    assert_eq!((nothing.revision, nothing.tasks.len()), (after, 0));
    let poll = tokio::spawn({
        let operator = operator.clone();
        async move { operator.updates(after, LONG).await }
    });
    tracker.worker(&task(1)).report(&task(1), &done(1)).await.unwrap();
    assert_eq!(poll.await.unwrap().unwrap().tasks.len(), 1);
    // A poll under way does not hold the tracker up.
    let poll = tokio::spawn(async move { operator.updates(u64::from(u32::MAX) << 20, LONG).await });
    tracker.stop().await;
    drop(poll);
}

pub async fn batches_are_bounded_and_lose_nothing(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let run = RunId::from_bytes([1; 16]);
    let worker = tracker.worker(&TaskId::chunks(&run));
    let mut expected = std::collections::BTreeSet::new();
    for index in 0..1200_u32 {
        let task = TaskId::chunk(&run, index);
        if index % 3 == 0 {
            let outcome = ChunkOutcome { index, frames: 1, cpu_millis: 1 };
            worker.report(&task, &TaskResult::Succeeded(Outcome::Chunk(outcome))).await.unwrap();
        } else {
            worker.progress(&task, &progress(1)).await.unwrap();
        }
        expected.insert(task);
    }
    let (mut after, mut seen) = (0, std::collections::BTreeSet::new());
    while seen != expected {
        let updates = tracker.operator().updates(after, LONG).await.unwrap();
        assert!(updates.tasks.len() <= 1000 && updates.revision > after);
        assert!(updates.tasks.is_sorted_by_key(|record| record.revision));
        after = updates.revision;
        seen.extend(updates.tasks.into_iter().map(|record| record.task));
    }
    tracker.stop().await;
}

pub async fn forgotten_tasks_start_again(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let operator = tracker.operator();
    tracker.worker(&task(1)).report(&task(1), &failed(FailureClass::Stalled)).await.unwrap();
    let after = operator.updates(0, Duration::ZERO).await.unwrap().revision;
    operator.forget_task(&task(1)).await.unwrap();
    operator.forget_task(&task(2)).await.unwrap();
    assert!(operator.updates(0, Duration::ZERO).await.unwrap().tasks.is_empty());
    tracker.worker(&task(1)).progress(&task(1), &progress(1)).await.unwrap();
    assert_eq!(next(&operator, after).await.state, TaskState::Running(progress(1)));
    tracker.stop().await;
}
