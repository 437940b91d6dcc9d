//! `TranscodeProfile` and `TranscodeJob`: what a rendition is, and the making of one.
//!
//! Both use the same settings, an allow list of words and whole numbers: no text of a user ever
//! reaches ffmpeg's command line.

mod audio;
mod codec;
mod job;
mod job_status;
mod profile;
mod thumbnails;

pub use audio::{AudioCodec, AudioSettings};
pub use codec::{Captions, Container, Packaging, Preset, RateControl, ToneMap, VideoCodec};
pub use job::{Chunking, ChunkingMode, TranscodeJob, TranscodeJobSpec, TtlSecondsAfterFinished};
pub use job_status::{FailureClass, Recommendation, TranscodeJobStatus, TranscodeOutput, TranscodePhase};
pub use profile::{TranscodeProfile, TranscodeSettings};
pub use thumbnails::{Sprite, Thumbnails};
