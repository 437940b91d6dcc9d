//! How good a rendition looks, by VMAF against its source: at chunk borders when a run is finished, and in sample scenes to choose
//! a rate factor for a wanted quality. Needs an ffmpeg with libvmaf ([`crate::tools`]); without one borders are not measured.
//!
//! Both pictures are compared in the rendition's size: what is measured is the encode, not the scaling.

pub mod borders;
pub mod title;
pub mod vmaf;
