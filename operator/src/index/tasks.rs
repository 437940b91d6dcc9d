//! What the tracker last said of each task, and how far behind it this picture can be.

use std::{collections::HashMap, sync::Arc};

use videocloud_protocol::{
    failure::Failure,
    ids::TaskId,
    task::{TaskRecord, TaskResult, TaskState},
    tracker::Updates,
};

/// A point in the sequence of polls: everything the tracker knew before it was taken is in the table once it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark(u64);

/// A task as the tracker last told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// How it stands.
    pub state: TaskState,
    /// Of a running task, why its last try failed.
    pub last_failure: Option<Failure>,
}

/// The tracker's tasks.
#[derive(Debug, Default)]
pub struct TaskTable {
    epoch: Option<String>,
    revision: u64,
    tasks: HashMap<TaskId, Arc<TaskRow>>,
    forgotten: HashMap<TaskId, Mark>,
    started: u64,
    finished: u64,
}

/// What a batch of updates changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Tasks that changed.
    pub tasks: Vec<TaskId>,
    /// Another database answered: everything known before is void.
    pub new_epoch: bool,
}

impl TaskTable {
    /// The revision to ask after, at the start of a poll.
    pub fn begin(&mut self) -> u64 {
        self.started += 1;
        self.revision
    }

    /// Takes the answer of the poll begun last.
    pub fn apply(&mut self, updates: Updates) -> Changed {
        let mut changed = Changed::default();
        if self.epoch.as_ref() != Some(&updates.epoch) {
            changed.new_epoch = self.epoch.is_some();
            if changed.new_epoch {
                changed.tasks.extend(self.tasks.drain().map(|(task, _)| task));
                self.revision = 0;
            }
            self.epoch = Some(updates.epoch);
            // The answer was to a revision of another database: ask again from the start.
            if changed.new_epoch {
                return changed;
            }
        }
        // A poll that was under way while a task was forgotten may still carry it: such an answer is read again.
        let late = |record: &TaskRecord| self.forgotten.get(&record.task).is_some_and(|mark| self.started < mark.0);
        if !updates.tasks.iter().any(late) {
            self.revision = updates.revision;
        }
        for record in updates.tasks {
            if self.forgotten.get(&record.task).is_some_and(|mark| self.started < mark.0) {
                continue;
            }
            changed.tasks.push(record.task.clone());
            let row = TaskRow { state: record.state, last_failure: record.last_failure };
            self.tasks.insert(record.task, Arc::new(row));
        }
        self.finished = self.started;
        let finished = self.finished;
        self.forgotten.retain(|_, mark| finished < mark.0);
        changed
    }

    /// Forgets a task the tracker was told to forget.
    pub fn forget(&mut self, task: &TaskId) {
        self.tasks.remove(task);
        self.forgotten.insert(task.clone(), self.mark());
    }

    /// A mark of now: reached by the next poll that begins after it.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark(self.started + 1)
    }

    /// Whether a poll begun after `mark` was taken has been answered.
    #[must_use]
    pub const fn reached(&self, mark: Mark) -> bool {
        self.finished >= mark.0
    }

    /// How a task stands.
    #[must_use]
    pub fn get(&self, task: &TaskId) -> Option<&Arc<TaskRow>> {
        self.tasks.get(task)
    }

    /// The tracker's database; `None` before its first answer.
    #[must_use]
    pub fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Number of tasks, running and ended.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |f: fn(&TaskState) -> bool| self.tasks.values().filter(|row| f(&row.state)).count();
        (
            count(|state| matches!(state, TaskState::Running(_))),
            count(|state| matches!(state, TaskState::Ended(TaskResult::Succeeded(_)))),
            count(|state| matches!(state, TaskState::Ended(TaskResult::Failed { .. }))),
        )
    }

    /// Bytes (downloads) or frames (transcodes) per second over all running tasks whose name begins with `prefix`.
    #[must_use]
    pub fn rate(&self, prefix: &str) -> u64 {
        let rate = |(task, row): (&TaskId, &Arc<TaskRow>)| match &row.state {
            TaskState::Running(progress) if task.as_str().starts_with(prefix) => progress.per_second,
            _ => 0,
        };
        self.tasks.iter().map(rate).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::task::Progress;

    use super::*;

    fn updates(epoch: &str, revision: u64, tasks: &[&str]) -> Updates {
        let record = |task: &&str| TaskRecord {
            task: task.parse().unwrap(),
            state: TaskState::Running(Progress::default()),
            last_failure: None,
            revision,
        };
        Updates { epoch: epoch.into(), revision, tasks: tasks.iter().map(record).collect() }
    }

    #[test]
    fn another_epoch_voids_everything_and_starts_over() {
        let mut table = TaskTable::default();
        table.begin();
        assert!(!table.apply(updates("a", 5, &["dl-1"])).new_epoch);
        assert_eq!(table.begin(), 5);
        let changed = table.apply(updates("b", 2, &["dl-2"]));
        assert!(changed.new_epoch);
        assert_eq!(changed.tasks, ["dl-1".parse().unwrap()]);
        assert_eq!(table.begin(), 0);
        assert!(!table.apply(updates("b", 2, &["dl-2"])).new_epoch);
        assert!(table.get(&"dl-2".parse().unwrap()).is_some());
    }

    #[test]
    fn a_mark_is_reached_by_a_poll_that_began_after_it() {
        let mut table = TaskTable::default();
        table.begin();
        let mark = table.mark();
        table.apply(updates("a", 1, &[]));
        assert!(!table.reached(mark), "that poll began before the mark");
        table.begin();
        table.apply(updates("a", 1, &[]));
        assert!(table.reached(mark));
    }

    #[test]
    fn a_forgotten_task_does_not_come_back_with_an_answer_that_was_under_way() {
        let (mut table, task) = (TaskTable::default(), "dl-1".parse().unwrap());
        table.begin();
        table.apply(updates("a", 5, &["dl-1"]));
        table.begin();
        table.forget(&task);
        table.apply(updates("a", 6, &["dl-1"]));
        assert_eq!(table.get(&task), None);
        assert_eq!(table.begin(), 5, "the late answer is read again");
        table.apply(updates("a", 7, &["dl-1"]));
        assert!(table.get(&task).is_some());
    }
}
