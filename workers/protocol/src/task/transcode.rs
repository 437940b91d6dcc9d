//! The orders of one run (a rendition set made in one pass over a source): plan, chunks, finish.

use serde::{Deserialize, Serialize};

use crate::{
    content::MediaFacts,
    ids::{ContentId, RenditionKey, RunId, TaskId},
    rendition::{RenditionSettings, RenditionSummary},
};

/// One rendition to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenditionOrder {
    /// Its key.
    pub key: RenditionKey,
    /// Its settings.
    pub settings: RenditionSettings,
}

/// How a source is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Chunking {
    /// Wanted seconds a chunk, 20..=600; 0 for one chunk whatever the length.
    pub seconds: u32,
    /// Work (estimated CPU seconds) below which a source is not cut at all.
    pub min_cpu_seconds: u32,
}

impl Default for Chunking {
    /// 60 s chunks, none below 120 CPU seconds.
    fn default() -> Self {
        Self { seconds: 60, min_cpu_seconds: 120 }
    }
}

/// Which part of the run a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TranscodeWork {
    /// Probe and cut. With one chunk, do the rest too.
    Plan,
    /// Encode one chunk; the index comes from `JOB_COMPLETION_INDEX`.
    Chunk,
    /// Audio, join, package, validate, publish.
    Finish,
}

/// The order: `VIDEOCLOUD_TASK` of a transcoder pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscodeTask {
    /// The task to report as (for chunks, the Indexed Job's; each index appends itself).
    pub task: TaskId,
    /// The run, which names the workspace.
    pub run: RunId,
    /// Which part.
    pub work: TranscodeWork,
    /// The content to read.
    pub source: ContentId,
    /// The set to make.
    pub renditions: Vec<RenditionOrder>,
    /// How to cut.
    pub chunking: Chunking,
    /// Of a second Job of chunks: the chunk that each index encodes. Empty: index and chunk are the same number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<u32>,
}

impl TranscodeTask {
    /// The chunk that the pod of `index` encodes; `None` when a second Job has no such index.
    #[must_use]
    pub fn chunk_of(&self, index: u32) -> Option<u32> {
        if self.again.is_empty() {
            return Some(index);
        }
        self.again.get(usize::try_from(index).ok()?).copied()
    }
}

/// What came of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "next")]
pub enum PlanOutcome {
    /// So many chunks are to be encoded, then finished.
    Chunks {
        /// Number of chunks, at least 2.
        chunks: u32,
        /// What the probe found.
        media: MediaFacts,
    },
    /// One chunk: it was encoded and finished on the spot.
    Done(TranscodeOutcome),
}

/// What came of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChunkOutcome {
    /// Which.
    pub index: u32,
    /// Frames of each rendition.
    pub frames: u64,
    /// CPU milliseconds spent.
    pub cpu_millis: u64,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscodeOutcome {
    /// The renditions, as committed in the store.
    pub renditions: Vec<RenditionSummary>,
    /// What the probe found in the source.
    pub media: MediaFacts,
    /// Chunks it was made of.
    pub chunks: u32,
    /// CPU milliseconds spent, all tasks of the run.
    pub cpu_millis: u64,
}
