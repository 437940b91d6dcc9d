//! What the tracker last said of each task, and how far behind it this picture can be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use videocloud_protocol::{
    failure::Failure,
    ids::TaskId,
    task::{SourceReport, SourceState, TaskRecord, TaskResult, TaskState},
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
    /// Of a running download, since when none of its sources gives or could give bytes.
    pub quiet_since: Option<Instant>,
}

/// Whether a download waits for sources of which none gives or could give bytes.
fn is_quiet(state: &TaskState) -> bool {
    let TaskState::Running(progress) = state else { return false };
    let gives = |report: &SourceReport| matches!(report.state, SourceState::Active | SourceState::Idle);
    !progress.sources.is_empty() && progress.per_second == 0 && !progress.sources.iter().any(gives)
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

/// Running downloads together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Bytes per second.
    pub per_second: u64,
    /// Bytes there.
    pub done: u64,
    /// Bytes wanted, as far as sizes are known.
    pub total: u64,
    /// Downloads none of whose sources gives or could give bytes.
    pub quiet: u64,
    /// Sources by their state.
    pub sources: BTreeMap<&'static str, u64>,
}

/// States of a source, as words.
pub(crate) const SOURCE_STATES: [&str; 5] = ["Waiting", "Active", "Idle", "Failed", "Banned"];

const fn state_word(state: SourceState) -> &'static str {
    match state {
        SourceState::Waiting => SOURCE_STATES[0],
        SourceState::Active => SOURCE_STATES[1],
        SourceState::Idle => SOURCE_STATES[2],
        SourceState::Failed => SOURCE_STATES[3],
        SourceState::Banned => SOURCE_STATES[4],
    }
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
            let quiet_since = is_quiet(&record.state)
                .then(|| self.tasks.get(&record.task).and_then(|known| known.quiet_since).unwrap_or_else(Instant::now));
            let row = TaskRow { state: record.state, last_failure: record.last_failure, quiet_since };
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

    /// What the running downloads report together.
    #[must_use]
    pub fn transfers(&self) -> Transfers {
        let mut all = Transfers::default();
        for (task, row) in &self.tasks {
            let TaskState::Running(progress) = &row.state else { continue };
            if !task.as_str().starts_with("dl-") {
                continue;
            }
            all.per_second = all.per_second.saturating_add(progress.per_second);
            all.done = all.done.saturating_add(progress.done);
            all.total = all.total.saturating_add(progress.total.unwrap_or(progress.done));
            all.quiet += u64::from(row.quiet_since.is_some());
            for source in &progress.sources {
                *all.sources.entry(state_word(source.state)).or_default() += 1;
            }
        }
        all
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
    fn a_download_is_quiet_since_its_last_source_stopped() {
        let (mut table, task): (_, TaskId) = (TaskTable::default(), "dl-1".parse().unwrap());
        let mut report = |state, revision| {
            let source = SourceReport {
                name: "web".into(),
                link: "http://h/a".parse().unwrap(),
                state,
                reason: None,
                message: None,
                bytes: 0,
                etag: None,
                last_modified: None,
            };
            let progress = Progress { sources: vec![source], ..Progress::default() };
            let record =
                TaskRecord { task: task.clone(), state: TaskState::Running(progress), last_failure: None, revision };
            table.begin();
            table.apply(Updates { epoch: "a".into(), revision, tasks: vec![record] });
            (table.get(&task).unwrap().quiet_since, table.transfers())
        };
        let (first, all) = report(SourceState::Waiting, 1);
        assert!(first.is_some() && all.quiet == 1 && all.sources == [("Waiting", 1)].into());
        assert_eq!(report(SourceState::Failed, 2).0, first);
        assert_eq!(report(SourceState::Active, 3).0, None);
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
