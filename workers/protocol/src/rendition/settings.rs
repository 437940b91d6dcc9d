//! What a rendition is asked to be: an allow list of settings, fully resolved. Nothing here is a free string that could reach an
//! encoder's command line.

use serde::{Deserialize, Serialize};

use crate::ids::{ContentId, RenditionKey};

/// Video codecs that can be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum VideoCodec {
    /// H.264 High, by x264.
    H264,
    /// HEVC Main, by x265.
    Hevc,
    /// AV1, by SVT-AV1.
    Av1,
    /// VP9, by libvpx.
    Vp9,
    /// H.263 family for the paper's 3GP set is not encoded; 3GP uses H.264 Baseline.
    H264Baseline,
}

/// Audio codecs that can be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
    /// Opus.
    Opus,
}

/// Container of the progressive file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Container {
    /// MP4 with the index in front.
    Mp4,
    /// 3GP.
    ThreeGp,
    /// WebM.
    WebM,
}

/// What to make besides the tracks themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Packaging {
    /// Serve HLS (fMP4).
    pub hls: bool,
    /// Serve DASH.
    pub dash: bool,
    /// Make the progressive file, in this container.
    pub file: Option<Container>,
    /// Make a poster image.
    pub poster: bool,
    /// Where in the video the poster is taken, percent of its duration.
    #[serde(default = "tenth", skip_serializing_if = "is_tenth")]
    pub poster_at_percent: u8,
    /// Make sprite sheets for the seek bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sprite: Option<Sprite>,
}

/// Small pictures at equal distances, many to a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sprite {
    /// Seconds between pictures.
    pub interval_seconds: u8,
    /// Width of a picture in pixels; its height follows from the video's shape.
    pub tile_width: u16,
    /// Pictures in a row of a sheet.
    pub columns: u8,
}

fn tenth() -> u8 {
    10
}

fn is_tenth(percent: &u8) -> bool {
    *percent == tenth()
}

/// The box a picture must fit in, in pixels, both even. A smaller source is never enlarged; a portrait source turns the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Width of the landscape box.
    pub width: u32,
    /// Height of the landscape box.
    pub height: u32,
}

/// Capped constant quality: the only rate control that survives chunks (reference figures in docs/transcoding.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RateControl {
    /// Constant rate factor, 0..=63 (0..=51 for H.264 and HEVC).
    pub crf: u8,
    /// Ceiling in bits per second.
    pub max_bits_per_second: u64,
    /// Decoder buffer in bits.
    pub buffer_bits: u64,
    /// Choose the factor for this mean VMAF of sample scenes instead; `crf` is where the search begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_vmaf: Option<u8>,
}

/// Audio of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AudioSettings {
    /// Codec.
    pub codec: AudioCodec,
    /// Bits per second of each track.
    pub bits_per_second: u32,
    /// 1 or 2; more channels are mixed down.
    pub channels: u8,
    /// Normalise loudness (EBU R128) to this many LUFS times 10, for example -230; `None` leaves it.
    pub loudness_decilufs: Option<i32>,
}

/// All that decides the bytes of a rendition, the encoder's threads included. Serialised canonically for [`rendition_key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenditionSettings {
    /// Name of the profile, for people and paths; not part of the key.
    pub name: String,
    /// Video codec.
    pub video: VideoCodec,
    /// The box to fit in.
    pub frame: Frame,
    /// Quality and ceiling.
    pub rate: RateControl,
    /// Encoder preset, 0 (slowest) ..= 9 (fastest); 5 is x264's `medium`.
    pub preset: u8,
    /// Threads of the encoder. They change the bytes, so they are part of the key.
    pub encoder_threads: u8,
    /// Highest frames per second times 1,000; a faster source is halved until it fits. `None` keeps every frame.
    pub max_frame_rate_milli: Option<u32>,
    /// Map HDR to SDR.
    pub tone_map: bool,
    /// Audio; `None` drops it.
    pub audio: Option<AudioSettings>,
    /// Carry text subtitles as WebVTT.
    pub captions: bool,
    /// What to make.
    pub packaging: Packaging,
    /// Seconds between keyframes; segments are multiples of it.
    pub keyframe_seconds: u8,
    /// Seconds a segment lasts, a multiple of `keyframe_seconds`.
    pub segment_seconds: u8,
}

/// Bumped when the same settings start to give other bytes.
const RECIPE: u32 = 2;

/// The key of the rendition of `source` by `settings`: SHA-256 over the source, the recipe's version and the settings without
/// their name.
#[must_use]
pub fn rendition_key(source: &ContentId, settings: &RenditionSettings) -> RenditionKey {
    let unnamed = RenditionSettings { name: String::new(), ..settings.clone() };
    // Field order of a struct is fixed, so this text is canonical; a plain struct of numbers and enums always serialises.
    let text = serde_json::to_vec(&unnamed).unwrap_or_default();
    RenditionKey::derive([source.as_bytes().as_slice(), &RECIPE.to_be_bytes(), &text])
}
