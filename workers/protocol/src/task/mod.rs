//! The orders given to workers, and what they report: progress while they run, one result when they end.

mod download;
mod record;
mod transcode;

pub use download::{
    DownloadLimits, DownloadOutcome, DownloadTask, KnownContent, SharedLimits, SourceReport, SourceSpec, SourceState,
};
pub use record::{Outcome, Progress, TaskRecord, TaskResult, TaskState};
pub use transcode::{
    ChunkOutcome, Chunking, PlanOutcome, RenditionOrder, TranscodeOutcome, TranscodeTask, TranscodeWork,
};
