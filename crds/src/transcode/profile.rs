//! `TranscodeProfile`: the settings of a rendition under a name. Immutable, so that a name means the
//! same output for ever.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{AudioSettings, Captions, Container, Packaging, Preset, RateControl, Thumbnails, ToneMap, VideoCodec};

/// Settings of a rendition.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "TranscodeProfile",
    doc = "A kind of rendition: codec, size, rate, audio and packaging under one name.",
    derive = "PartialEq",
    shortname = "tp",
    category = "videocloud",
    selectable = ".spec.codec",
    printcolumn(name = "Codec", type_ = "string", json_path = ".spec.codec"),
    printcolumn(name = "Width", type_ = "integer", json_path = ".spec.width"),
    printcolumn(name = "Height", type_ = "integer", json_path = ".spec.height"),
    printcolumn(name = "Max-Bitrate", type_ = "integer", json_path = ".spec.rateControl.maxBitrate", description = "Bits per second."),
    printcolumn(name = "Container", type_ = "string", json_path = ".spec.container"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Packaging", type_ = "string", json_path = ".spec.packaging", priority = 1),
    printcolumn(name = "Audio", type_ = "string", json_path = ".spec.audio.codec", priority = 1),
    printcolumn(name = "Preset", type_ = "string", json_path = ".spec.preset", priority = 1),
    validation = ("self.spec == oldSelf.spec", "spec of a TranscodeProfile cannot be changed: renditions made with it exist, so create another profile"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!(self.codec in ['H264', 'HEVC']) || self.rateControl.crf <= 51", "crf of H264 and HEVC is 0 to 51"),
    validation = ("self.container != '3GP' || (self.codec == 'H264' && self.audio.codec == 'AAC')", "a 3GP file holds H264 and AAC only"),
    validation = ("self.segmentSeconds % self.keyframeSeconds == 0", "segmentSeconds must be a multiple of keyframeSeconds"),
    validation = ("self.container != '3GP' || 'File' in self.packaging", "container 3GP needs File in packaging"),
)]
pub struct TranscodeSettings {
    /// Video codec.
    pub codec: VideoCodec,
    /// Width of the box the picture is fitted into, in pixels: aspect ratio kept, portrait turned, never upscaled.
    #[x_kube(validation = ("self % 2 == 0", "width must be even"))]
    #[schemars(range(min = 16, max = 7680))]
    pub width: i32,
    /// Height of that box, in pixels.
    #[x_kube(validation = ("self % 2 == 0", "height must be even"))]
    #[schemars(range(min = 16, max = 4320))]
    pub height: i32,
    /// Quality and its cap.
    pub rate_control: RateControl,
    /// CPU time against bits.
    #[serde(default)]
    pub preset: Preset,
    /// Encoder threads. Part of the settings because the number changes the bytes.
    #[serde(default = "default_threads")]
    #[schemars(range(min = 1, max = 32))]
    pub encoder_threads: i32,
    /// Highest frame rate, in frames per 1000 seconds: 30000 is 30 frames per second. As the source unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 240_000))]
    pub frame_rate_max_milli: Option<i32>,
    /// Treatment of HDR sources.
    #[serde(default)]
    pub tone_map: ToneMap,
    /// Seconds between keyframes.
    #[serde(default = "default_keyframe_seconds")]
    #[schemars(range(min = 1, max = 10))]
    pub keyframe_seconds: i32,
    /// Length of a segment in seconds, a multiple of keyframeSeconds.
    #[serde(default = "default_segment_seconds")]
    #[schemars(range(min = 1, max = 20))]
    pub segment_seconds: i32,
    /// Container of the progressive file.
    #[serde(default)]
    pub container: Container,
    /// Forms the rendition is offered in.
    #[serde(default = "default_packaging")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 3))]
    pub packaging: Vec<Packaging>,
    /// Audio.
    #[serde(default)]
    pub audio: AudioSettings,
    /// Text tracks.
    #[serde(default)]
    pub captions: Captions,
    /// Pictures.
    #[serde(default)]
    pub thumbnails: Thumbnails,
}

/// Four, which x264 uses well up to 1080p.
fn default_threads() -> i32 {
    4
}

/// Two: a seek lands within two seconds.
fn default_keyframe_seconds() -> i32 {
    2
}

/// Four: two keyframes, which keeps playlists short and starts quick.
fn default_segment_seconds() -> i32 {
    4
}

fn default_packaging() -> Vec<Packaging> {
    vec![Packaging::Hls, Packaging::Dash, Packaging::File]
}
