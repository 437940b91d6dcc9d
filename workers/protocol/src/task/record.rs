//! What the tracker keeps of a task, and what a worker puts there.

use serde::{Deserialize, Serialize};

use super::{ChunkOutcome, DownloadOutcome, PlanOutcome, SourceReport, TranscodeOutcome};
use crate::{failure::Failure, ids::TaskId};

/// How far a running task is. Sent about every 2 s while something changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Work done: bytes of a download, frames of an encode.
    pub done: u64,
    /// All the work; `None` while unknown.
    pub total: Option<u64>,
    /// Work per second at present.
    pub per_second: u64,
    /// What it is doing: `Connecting`, `Downloading`, `Verifying`, `Publishing`, `Probing`, `Encoding`, `Packaging`.
    pub stage: String,
    /// Bytes of a download from the first on that others may read already; 0 where the order does not ask for that.
    #[serde(skip_serializing_if = "is_zero")]
    pub leading: u64,
    /// How each source of a download fares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceReport>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// What came of a task that did what it was ordered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind")]
pub enum Outcome {
    /// Of a download.
    Download(DownloadOutcome),
    /// Of a plan.
    Plan(PlanOutcome),
    /// Of one chunk.
    Chunk(ChunkOutcome),
    /// Of a finish.
    Finish(TranscodeOutcome),
}

/// What a worker reports when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TaskResult {
    /// Done.
    Succeeded(Outcome),
    /// Not done. A class that is not terminal is followed by another try of the Job, and does not end the task.
    Failed {
        /// Why.
        failure: Failure,
        /// What each source of a download did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sources: Vec<SourceReport>,
    },
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TaskState {
    /// Reported progress, or a failure that another try may mend.
    Running(Progress),
    /// Ended: done, or failed for good (a terminal class).
    Ended(TaskResult),
}

/// A task as the operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    /// Which.
    pub task: TaskId,
    /// How it stands.
    pub state: TaskState,
    /// Of a running task, why its last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// The tracker's revision when it last changed; grows over all tasks.
    pub revision: u64,
}
