//! How a piece of work stands, decided from the two sources that know: the Job (Kubernetes) and the task (tracker).
//!
//! Pure. The tracker's word counts for results, the Job's for whether anybody still works on it. A Job that ended without a
//! result is judged only after a batch that began later has been read ([`WorkState::Unsettled`] until then).

use std::{sync::Arc, time::Instant};

use videocloud_protocol::{
    failure::{Failure, FailureClass, reason},
    task::{Outcome, Progress, SourceReport, TaskResult, TaskState},
};

use crate::index::{JobRow, JobState, TaskRow};

/// How a piece of work stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkState {
    /// Nobody works on it.
    Absent,
    /// A Job of the same name is on its way out.
    Deleting,
    /// Its Job is held back.
    Suspended,
    /// Its Job runs; the worker may have reported how far it is and why an earlier try failed.
    Active {
        /// As reported last.
        progress: Option<Progress>,
        /// Why the last try failed, when one did.
        last_failure: Option<Failure>,
        /// Of a download, since when none of its sources gives or could give bytes.
        quiet_since: Option<Instant>,
    },
    /// Done.
    Succeeded(Arc<TaskRow>),
    /// Failed for good: another try of the same order is pointless, or all tries are used up.
    Failed(Failed),
    /// Its Job ended; whether it left a result is not known yet.
    Unsettled,
    /// Its Job ended and left no result: the node or the tracker's database was lost. Made again.
    Lost {
        /// The Job controller's reason.
        reason: String,
    },
}

/// A failure for good, and what each source did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// What each source of a download did.
    pub sources: Vec<SourceReport>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, sources: Vec::new() }
    }
}

impl WorkState {
    /// Decides. `settled` says that the tracker was read after the Job ended.
    #[must_use]
    pub fn of(job: Option<&JobRow>, task: Option<&Arc<TaskRow>>, settled: bool) -> Self {
        let mut last_failure = task.and_then(|task| task.last_failure.clone());
        let mut progress = None;
        match task.map(|task| (&task.state, task)) {
            Some((TaskState::Ended(TaskResult::Succeeded(_)), task)) => return Self::Succeeded(Arc::clone(task)),
            Some((TaskState::Ended(TaskResult::Failed { failure, sources }), _)) if failure.class.is_terminal() => {
                return Self::Failed(Failed { failure: failure.clone(), sources: sources.clone() });
            }
            Some((TaskState::Ended(TaskResult::Failed { failure, .. }), _)) => last_failure = Some(failure.clone()),
            Some((TaskState::Running(now), _)) => progress = Some(now.clone()),
            None => {}
        }
        match job.map(|job| &job.state) {
            None => Self::Absent,
            Some(JobState::Deleting) => Self::Deleting,
            Some(JobState::Suspended) => Self::Suspended,
            Some(JobState::Active) => {
                Self::Active { progress, last_failure, quiet_since: task.and_then(|task| task.quiet_since) }
            }
            Some(JobState::Complete | JobState::Failed(_)) if !settled => Self::Unsettled,
            Some(JobState::Complete) => Self::Lost { reason: "Complete".into() },
            Some(JobState::Failed(why)) => match (why.as_str(), last_failure) {
                ("DeadlineExceeded", _) => Self::Failed(deadline().into()),
                ("BackoffLimitExceeded" | "MaxFailedIndexesExceeded" | "FailedIndexes", Some(failure)) => {
                    Self::Failed(failure.into())
                }
                ("BackoffLimitExceeded" | "MaxFailedIndexesExceeded" | "FailedIndexes", None) => {
                    Self::Failed(silent(why).into())
                }
                _ => Self::Lost { reason: why.clone() },
            },
        }
    }

    /// What came of it, once it is done.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Succeeded(task) => match &task.state {
                TaskState::Ended(TaskResult::Succeeded(outcome)) => Some(outcome),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it holds a place among the running Jobs.
    #[must_use]
    pub const fn takes_a_place(&self) -> bool {
        matches!(self, Self::Active { .. } | Self::Unsettled | Self::Deleting)
    }
}

fn deadline() -> Failure {
    Failure::new(
        FailureClass::Stalled,
        "DeadlineExceeded",
        "The Job ran longer than it may. Raise the deadline, or set the annotation videocloud.dev/retry to try again.",
    )
}

fn silent(why: &str) -> Failure {
    Failure::new(
        FailureClass::Transient,
        reason::INTERNAL,
        format!(
            "The Job's pods ended again and again without a report ({why}). Their logs and events say why; set the \
             annotation videocloud.dev/retry to try again."
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::ids::{ClaimKey, TaskKind};

    use super::*;

    fn job(state: JobState) -> JobRow {
        JobRow {
            uid: "u".into(),
            kind: TaskKind::Download(ClaimKey::from_bytes([1; 16])),
            renditions: Vec::new(),
            namespace: "n".into(),
            state,
            completions: 1,
            succeeded: 0,
            attempt: 1,
            failed_indexes: Vec::new(),
            inputs: false,
        }
    }

    fn failed(class: FailureClass) -> Arc<TaskRow> {
        let failure = Failure::new(class, "Word", "text");
        Arc::new(TaskRow {
            state: TaskState::Ended(TaskResult::Failed { failure, sources: Vec::new() }),
            last_failure: None,
            quiet_since: None,
        })
    }

    fn running(last: Option<FailureClass>) -> Arc<TaskRow> {
        Arc::new(TaskRow {
            state: TaskState::Running(Progress::default()),
            last_failure: last.map(|class| Failure::new(class, "Word", "text")),
            quiet_since: None,
        })
    }

    fn name(state: &WorkState) -> &'static str {
        match state {
            WorkState::Absent => "absent",
            WorkState::Deleting => "deleting",
            WorkState::Suspended => "suspended",
            WorkState::Active { .. } => "active",
            WorkState::Succeeded(_) => "succeeded",
            WorkState::Failed(_) => "failed",
            WorkState::Unsettled => "unsettled",
            WorkState::Lost { .. } => "lost",
        }
    }

    #[test]
    fn job_and_task_together_decide() {
        let ended = |why: &str| Some(JobState::Failed(why.into()));
        for (state, task, settled, expected) in [
            (None, None, false, "absent"),
            (None, Some(running(None)), true, "absent"),
            (None, Some(failed(FailureClass::SourceFailed)), false, "failed"),
            (Some(JobState::Active), Some(failed(FailureClass::Transient)), true, "active"),
            (Some(JobState::Active), Some(failed(FailureClass::BadInput)), false, "failed"),
            (Some(JobState::Deleting), Some(running(None)), true, "deleting"),
            (Some(JobState::Suspended), None, true, "suspended"),
            (Some(JobState::Complete), None, false, "unsettled"),
            (Some(JobState::Complete), None, true, "lost"),
            (ended("PodFailurePolicy"), None, true, "lost"),
            (ended("BackoffLimitExceeded"), None, false, "unsettled"),
            (ended("BackoffLimitExceeded"), None, true, "failed"),
            (ended("BackoffLimitExceeded"), Some(running(Some(FailureClass::Resources))), true, "failed"),
            (ended("DeadlineExceeded"), Some(running(None)), true, "failed"),
        ] {
            let row = state.clone().map(job);
            let decided = WorkState::of(row.as_ref(), task.as_ref(), settled);
            assert_eq!(name(&decided), expected, "{state:?} {task:?} settled={settled}");
        }
    }

    #[test]
    fn used_up_tries_show_the_last_failure() {
        let row = job(JobState::Failed("BackoffLimitExceeded".into()));
        let state = WorkState::of(Some(&row), Some(&running(Some(FailureClass::Resources))), true);
        let WorkState::Failed(failed) = state else { panic!("{state:?}") };
        assert_eq!(failed.failure.class, FailureClass::Resources);
    }
}
