//! Revisions, and the progress of running tasks: a pure state machine in bounded memory.
//!
//! A revision is `starts << 40 | counter`, so it grows over restarts without being stored. Results take a revision before
//! they are committed; until the commit is known to have ended, nobody is shown that revision or a later one, or a poller
//! could step over a result that appears behind it. Progress becomes visible by [`Journal::tick`], at most once a second and
//! task, so that a thousand running tasks wake a poller twice a second and not a thousand times.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use videocloud_protocol::{
    failure::Failure,
    ids::TaskId,
    task::{Progress, TaskRecord, TaskState},
};

/// Least time between two visible changes of one task's progress.
const SPACING: Duration = Duration::from_secs(1);
/// Bits of a revision that count within one start.
const COUNTER_BITS: u32 = 40;

#[derive(Debug)]
struct Running {
    progress: Progress,
    last_failure: Option<Failure>,
    /// Visible under this revision; 0 before the first tick.
    revision: u64,
    shown: Option<Instant>,
}

/// The state.
#[derive(Debug)]
pub struct Journal {
    last: u64,
    pending: BTreeSet<u64>,
    running: HashMap<TaskId, Running>,
    by_revision: BTreeMap<u64, TaskId>,
    dirty: BTreeSet<TaskId>,
    settled: u64,
    capacity: usize,
}

impl Journal {
    /// An empty journal of the `starts`-th start, for at most `capacity` running tasks.
    #[must_use]
    pub fn new(starts: u64, capacity: usize) -> Self {
        Self {
            last: starts << COUNTER_BITS,
            pending: BTreeSet::new(),
            running: HashMap::new(),
            by_revision: BTreeMap::new(),
            dirty: BTreeSet::new(),
            settled: 0,
            capacity: capacity.max(1),
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The newest revision that may be shown: everything up to it is complete.
    #[must_use]
    pub fn ceiling(&self) -> u64 {
        self.pending.first().map_or(self.last, |pending| pending - 1)
    }

    /// Takes the revision of a result that is about to be committed; give it back to [`Journal::settle`].
    pub fn reserve(&mut self) -> u64 {
        let revision = self.next();
        self.pending.insert(revision);
        revision
    }

    /// The commit under `revision` has ended, well or not. With `task`, its progress is over.
    pub fn settle(&mut self, revision: u64, task: Option<&TaskId>) {
        self.pending.remove(&revision);
        self.settled += 1;
        if let Some(task) = task {
            self.forget(task);
        }
    }

    /// Drops a task's progress.
    pub fn forget(&mut self, task: &TaskId) {
        self.dirty.remove(task);
        if let Some(running) = self.running.remove(task) {
            self.by_revision.remove(&running.revision);
        }
    }

    /// Number of results settled so far: unchanged between two looks means that no result came between.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.settled
    }

    /// Whether the task's progress is kept, so that it is known not to have ended.
    #[must_use]
    pub fn is_running(&self, task: &TaskId) -> bool {
        self.running.contains_key(task)
    }

    /// Number of tasks whose progress is kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no progress is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Keeps a task's progress until the next tick shows it. `last_failure` counts for a task not kept yet. When full, the
    /// task that has changed longest ago makes room.
    pub fn progress(&mut self, task: &TaskId, progress: Progress, last_failure: Option<Failure>) {
        if let Some(running) = self.running.get_mut(task) {
            if running.progress == progress {
                return;
            }
            running.progress = progress;
        } else {
            if self.running.len() >= self.capacity {
                let oldest = self.by_revision.values().next().or_else(|| self.dirty.first()).cloned();
                if let Some(oldest) = oldest {
                    self.forget(&oldest);
                }
            }
            self.running.insert(task.clone(), Running { progress, last_failure, revision: 0, shown: None });
        }
        self.dirty.insert(task.clone());
    }

    /// Shows the progress that is due at `now`; says whether there was any.
    pub fn tick(&mut self, now: Instant) -> bool {
        let mut later = BTreeSet::new();
        let mut shown = false;
        for task in std::mem::take(&mut self.dirty) {
            let revision = self.last + 1;
            let Some(running) = self.running.get_mut(&task) else { continue };
            if running.shown.is_some_and(|shown| now.saturating_duration_since(shown) < SPACING) {
                later.insert(task);
                continue;
            }
            self.by_revision.remove(&running.revision);
            running.revision = revision;
            running.shown = Some(now);
            self.by_revision.insert(revision, task);
            self.last = revision;
            shown = true;
        }
        self.dirty = later;
        shown
    }

    /// Running tasks that changed after `after` and up to `ceiling`, oldest change first, at most `limit`.
    #[must_use]
    pub fn changed(&self, after: u64, ceiling: u64, limit: usize) -> Vec<TaskRecord> {
        if after >= ceiling {
            return Vec::new();
        }
        let changed = self.by_revision.range(after + 1..=ceiling).take(limit);
        changed
            .filter_map(|(revision, task)| {
                let running = self.running.get(task)?;
                Some(TaskRecord {
                    task: task.clone(),
                    state: TaskState::Running(running.progress.clone()),
                    last_failure: running.last_failure.clone(),
                    revision: *revision,
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn task(index: usize) -> TaskId {
        format!("dl-{index}").parse().unwrap()
    }

    fn done(done: u64) -> Progress {
        Progress { done, ..Progress::default() }
    }

    #[test]
    fn progress_is_shown_once_a_second_and_then_the_latest() {
        let mut journal = Journal::new(1, 10);
        let start = Instant::now();
        journal.progress(&task(1), done(1), None);
        assert!(journal.tick(start));
        let first = journal.ceiling();
        journal.progress(&task(1), done(2), None);
        assert!(!journal.tick(start + SPACING / 2));
        assert_eq!(journal.ceiling(), first);
        journal.progress(&task(1), done(3), None);
        assert!(journal.tick(start + SPACING));
        let changed = journal.changed(first, journal.ceiling(), 10);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].state, TaskState::Running(done(3)));
    }

    #[test]
    fn nothing_is_shown_past_a_result_that_is_not_committed() {
        let mut journal = Journal::new(1, 10);
        let reserved = journal.reserve();
        journal.progress(&task(1), done(1), None);
        journal.tick(Instant::now());
        assert_eq!(journal.ceiling(), reserved - 1);
        assert!(journal.changed(0, journal.ceiling(), 10).is_empty());
        journal.settle(reserved, None);
        assert_eq!(journal.changed(0, journal.ceiling(), 10).len(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_stalest_makes_room() {
        let mut journal = Journal::new(1, 3);
        for index in 0..100 {
            journal.progress(&task(index), done(1), None);
            journal.tick(Instant::now());
        }
        assert_eq!((journal.len(), journal.by_revision.len()), (3, 3));
        assert!(journal.is_running(&task(99)) && !journal.is_running(&task(0)));
    }

    #[test]
    fn revisions_grow_over_restarts() {
        let mut first = Journal::new(1, 1);
        let revision = first.reserve();
        assert!(Journal::new(2, 1).ceiling() > revision);
    }
}
