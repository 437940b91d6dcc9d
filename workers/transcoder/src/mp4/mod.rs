//! MP4 boxes, as much as joining needs: read the fragments an encoder wrote, write CMAF tracks and progressive files.
//!
//! Written by hand because a join must be exact in ticks, the same bytes on every run and playable while it grows, none of which
//! a muxer promises. Input is treated as foreign bytes even though our own ffmpeg wrote it. Samples are never decoded here.

mod boxes;
pub mod cmaf;
pub mod entry;
mod fragments;
mod layout;
mod movie;
pub mod progressive;
mod write;

use std::path::PathBuf;

pub use entry::SampleEntry;
pub use fragments::{Fragmented, read, read_from};
pub use layout::{layout, layout_of};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// The bytes are not the MP4 that was expected.
    #[error("failed to read {path} as fragmented MP4: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The disk failed.
    #[error("failed to access {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// One coded frame (or block of sound): where its bytes are and when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Which of the source files.
    pub file: u32,
    /// First byte there.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
    /// Decoding time, ticks.
    pub decode: i64,
    /// Presentation time, ticks.
    pub present: i64,
    /// Ticks until the next sample is decoded.
    pub duration: u32,
    /// Decodable without any other.
    pub key: bool,
}

/// What a track is, apart from its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackHead {
    /// The decoder's configuration.
    pub entry: SampleEntry,
    /// Ticks per second.
    pub timescale: u32,
    /// ISO 639 or BCP 47 language; `und` when unknown.
    pub language: String,
    /// Ticks at the beginning that are decoded and not played (encoder priming).
    pub skip: u32,
}
