//! Renditions: the settings that ask for one, the key that names one, the manifest that commits one, and what there is before.

pub mod growing;
mod manifest;
mod settings;

pub use manifest::{
    Progressive, Quality, RenditionManifest, RenditionSummary, Segment, Sprites, Track, TrackKind, TreeFile, TreePath,
};
pub use settings::{
    AudioCodec, AudioSettings, Container, Frame, Packaging, RateControl, RenditionSettings, Sprite, VideoCodec,
    rendition_key,
};
