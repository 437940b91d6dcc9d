//! Audio of a rendition. Encoded once per track and whole: in chunks AAC drifts at every join.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::BitsPerSecond;

/// Audio settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioSettings {
    /// Codec.
    #[serde(default)]
    pub codec: AudioCodec,
    /// Rate in bits per second.
    #[serde(default = "default_bitrate")]
    #[schemars(range(min = 8_000, max = 640_000))]
    pub bitrate: BitsPerSecond,
    /// Most channels: 1 or 2; sources with more are mixed down.
    #[serde(default = "default_channels")]
    #[schemars(range(min = 1, max = 2))]
    pub channels: i32,
    /// Integrated loudness to normalise to, in LUFS (EBU R 128); as it is unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -40, max = -5))]
    pub loudness: Option<i32>,
}

/// Audio codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AudioCodec {
    /// AAC-LC: plays everywhere.
    #[default]
    #[serde(rename = "AAC")]
    Aac,
    /// Opus.
    Opus,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self { codec: AudioCodec::default(), bitrate: default_bitrate(), channels: default_channels(), loudness: None }
    }
}

fn default_bitrate() -> BitsPerSecond {
    BitsPerSecond(128_000)
}

fn default_channels() -> i32 {
    2
}
