//! How a round ends, and what it came to: what [`super::fetch`] decides by.

use crate::schedule::{SourceId, SpanSet};

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every byte is there.
    Complete,
    /// No source is left to ask.
    Exhausted,
    /// The content behind a source is another than it was.
    Changed(SourceId),
    /// More is known of the content: other rules may hold.
    Described,
    /// Most sources have this many bytes, not as many as were believed.
    Resized(u64),
    /// Told to stop; what is there is checkpointed.
    Stopped,
    /// No byte came within the progress deadline.
    NoProgress,
}

/// What a round came to.
pub(super) struct Ended {
    pub(super) end: End,
    /// Length of the content, once known.
    pub(super) size: Option<u64>,
    /// What piece hashes have proven.
    pub(super) proven: SpanSet,
    /// Every byte was found alike with at least one more mirror.
    pub(super) agreed: bool,
}
