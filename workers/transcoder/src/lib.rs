//! Cloud transcoding of one source into a set of renditions: plan, chunks, finish.
//!
//! A source is cut at exact ticks ([`plan`]), each chunk is encoded into every rendition by one confined ffmpeg ([`encode`],
//! [`child`], [`sandbox`]), and the pieces are joined, packaged and checked ([`package`], [`mp4`]). [`task`] does it as steps of
//! a run in the store, on many pods; [`run`] does it on one machine. Cloud transcode of Li et al., NOSSDAV 2012.

pub mod child;
mod disk;
pub mod encode;
pub mod ingest;
pub mod mp4;
pub mod package;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod quality;
pub mod run;
pub mod sandbox;
pub mod task;
pub mod tools;
