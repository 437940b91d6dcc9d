//! The words of the allow list: codecs, presets, containers, packagings and rate control.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Bits, BitsPerSecond};

/// Video codec of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VideoCodec {
    /// H.264 / AVC: plays everywhere.
    H264,
    /// H.265 / HEVC.
    #[serde(rename = "HEVC")]
    Hevc,
    /// AV1.
    #[serde(rename = "AV1")]
    Av1,
    /// VP9.
    #[serde(rename = "VP9")]
    Vp9,
}

/// CPU time against bits, in words that mean about the same for every codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Preset {
    /// Least CPU, most bits.
    VeryFast,
    /// Less CPU.
    Fast,
    /// The encoder's own default.
    #[default]
    Medium,
    /// Fewer bits.
    Slow,
    /// Fewest bits, most CPU.
    VerySlow,
}

/// Capped constant quality: the one rate control that survives chunked encoding.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.bufferSize) || self.bufferSize >= self.maxBitrate / 2", "bufferSize must hold at least half a second of maxBitrate"))]
pub struct RateControl {
    /// Constant rate factor: lower is better. 0 to 51 for H264 and HEVC, 0 to 63 for AV1 and VP9.
    #[schemars(range(min = 0, max = 63))]
    pub crf: i32,
    /// Mean VMAF that sample scenes should reach, 60 to 98: the crf for it is searched for, beginning at the one above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 98))]
    pub target_vmaf: Option<i32>,
    /// Highest rate in bits per second.
    #[schemars(range(min = 16_000, max = 200_000_000))]
    pub max_bitrate: BitsPerSecond,
    /// Decoder buffer in bits; twice maxBitrate unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8_000, max = 800_000_000))]
    pub buffer_size: Option<Bits>,
}

/// Container of the progressive file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Container {
    /// MP4 with the index in front.
    #[default]
    #[serde(rename = "MP4")]
    Mp4,
    /// 3GP, for old handsets.
    #[serde(rename = "3GP")]
    ThreeGp,
}

/// Form a rendition is offered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Packaging {
    /// HTTP Live Streaming with fragmented MP4.
    #[serde(rename = "HLS")]
    Hls,
    /// MPEG-DASH, sharing HLS's segments.
    #[serde(rename = "DASH")]
    Dash,
    /// One progressive file in `container`.
    File,
}

/// Treatment of high dynamic range sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ToneMap {
    /// Map to standard range when the source is HDR.
    #[default]
    Auto,
    /// Keep the source's range.
    Keep,
}

/// Treatment of text tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Captions {
    /// Leave them out.
    #[default]
    Drop,
    /// Convert them to WebVTT beside the video.
    #[serde(rename = "WebVTT")]
    WebVtt,
}
