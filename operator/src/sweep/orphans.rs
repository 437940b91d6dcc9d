//! Jobs and tasks nobody owns. Pure.

use std::collections::BTreeSet;

use videocloud_protocol::ids::{RunId, TaskId, TaskKind};

use crate::index::{Departed, JobState, State};

/// A task, and its Job if there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The task, also the Job's name.
    pub task: TaskId,
    /// Uid of the Job.
    pub job: Option<String>,
}

/// Everything nobody owns: downloads of claims no VideoObject makes, runs of renditions no TranscodeJob wants. Runs are judged
/// only when every TranscodeJob is known: one that was not looked at yet may want any rendition.
#[must_use]
pub fn orphans(state: &State, departed: &[Departed]) -> Vec<Orphan> {
    let mut orphans = BTreeSet::new();
    let settled = state.transcodes.all_known();
    for (name, row) in state.jobs.iter().filter(|(_, row)| row.state != JobState::Deleting) {
        let owned = match row.kind {
            TaskKind::Download(key) => state.videos.is_owned(&key),
            _ => !settled || row.renditions.iter().any(|key| state.transcodes.of_key(key).next().is_some()),
        };
        if owned {
            continue;
        }
        if let Ok(task) = name.parse() {
            orphans.insert(Orphan { task, job: Some(row.uid.clone()) });
        }
        if let TaskKind::Chunks(run) = row.kind {
            orphans.extend(indexes(&run, row.completions));
        }
    }
    // The record of a download may outlive its Job.
    for key in departed.iter().filter_map(|gone| gone.key).filter(|key| !state.videos.is_owned(key)) {
        let task = TaskId::download(&key);
        if state.jobs.get(task.as_str()).is_none() && state.tasks.get(&task).is_some() {
            orphans.insert(Orphan { task, job: None });
        }
    }
    orphans.into_iter().collect()
}

fn indexes(run: &RunId, count: u32) -> impl Iterator<Item = Orphan> + '_ {
    (0..count).map(|index| Orphan { task: TaskId::chunk(run, index), job: None })
}
