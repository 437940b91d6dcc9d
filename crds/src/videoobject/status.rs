//! What the video controller has observed. Written by that controller alone, in coarse steps.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{BitsPerSecond, Bytes, LabelName, ObjectName, condition_list};

/// State of a VideoObject.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoObjectStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Value of the annotation `videocloud.dev/retry` this status is about: another value asks for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub observed_retry: Option<String>,
    /// Where the video is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<VideoPhase>,
    /// Ready first, then Downloaded, RenditionsReady, Delivered, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Vec<Condition>,
    /// Percent of the present phase, in coarse steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress_percent: Option<i32>,
    /// The content, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What the belief in the content rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// State of each source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub sources: Vec<SourceStatus>,
    /// State of each rendition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["profileRef".into()]))]
    #[schemars(length(max = 16))]
    pub renditions: Vec<RenditionStatus>,
    /// Where it is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub endpoints: Vec<Endpoint>,
    /// Key the content is claimed by at the tracker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub claim_key: Option<String>,
}

/// Where a video is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VideoPhase {
    /// Seen, waiting to be admitted.
    #[default]
    Pending,
    /// Asking the index whether the content is known.
    Resolving,
    /// Being fetched.
    Downloading,
    /// Playable or about to be; renditions are being made.
    Transcoding,
    /// Everything asked for is there.
    Ready,
    /// Evicted; fetched again when somebody asks.
    OnDemand,
    /// Stopped by `suspend`.
    Suspended,
    /// Given up; the Ready condition says why.
    Failed,
}

impl VideoPhase {
    /// The word in `status.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Resolving => "Resolving",
            Self::Downloading => "Downloading",
            Self::Transcoding => "Transcoding",
            Self::Ready => "Ready",
            Self::OnDemand => "OnDemand",
            Self::Suspended => "Suspended",
            Self::Failed => "Failed",
        }
    }
}

/// The content behind the links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Content id: the SHA-256 of all bytes, 64 hex digits.
    #[schemars(length(min = 64, max = 64))]
    pub id: String,
    /// Bytes.
    pub size: Bytes,
    /// What a player needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// BitTorrent v1 infohash, 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 40, max = 40))]
    pub info_hash_v1: Option<String>,
    /// BitTorrent v2 infohash, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub info_hash_v2: Option<String>,
    /// 3-chunk hash (Open-P2SP), 40 hex digits: a hint for matching, no proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 40, max = 40))]
    pub three_chunk_hash: Option<String>,
}

/// Media facts, as probed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// Container, for example `mp4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub container: Option<String>,
    /// Duration in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_millis: Option<i64>,
    /// Display width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Display height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// Frames in 1000 seconds: 29970 is 29.97 frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_milli: Option<i32>,
    /// Video codec, for example `h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub video_codec: Option<String>,
    /// Audio codec, for example `aac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub audio_codec: Option<String>,
    /// Audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_channels: Option<i32>,
    /// Mean rate of the whole file in bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<BitsPerSecond>,
}

/// What the belief in the content rests on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verification {
    /// The whole content has the digest that was asked for.
    Digest,
    /// Every piece has the hash a torrent or Metalink gives for it.
    PieceHashes,
    /// Every piece was delivered alike by two sources.
    Agreement,
    /// One source, end to end, unchanged while it was read.
    SingleSource,
}

/// State of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Name of the source.
    pub name: LabelName,
    /// Its state.
    pub state: SourceState,
    /// Why, as one CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Why, in words; without userinfo and query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// State of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceState {
    /// Not yet asked.
    Waiting,
    /// Gives bytes.
    Active,
    /// Usable, not needed at the moment, or any more.
    Idle,
    /// Given up for good.
    Failed,
    /// Gave wrong bytes.
    Banned,
}

/// State of one rendition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenditionStatus {
    /// Name of the TranscodeProfile.
    pub profile_ref: ObjectName,
    /// Its state.
    pub state: RenditionState,
    /// Rendition key: same key, same object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub key: Option<String>,
    /// Why, as one CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// The TranscodeJob that makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcode_job: Option<ObjectName>,
    /// Width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// Mean rate in bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<BitsPerSecond>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
}

/// State of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RenditionState {
    /// Waiting for the original or for admission.
    Pending,
    /// Being made.
    Transcoding,
    /// Made for this video.
    Ready,
    /// Taken from an earlier one, exact or near enough.
    Reused,
    /// Not made because the source is smaller: never upscaled.
    Skipped,
    /// Given up.
    Failed,
}

/// An address the video is served at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// What is served.
    #[serde(rename = "type")]
    pub type_: EndpointType,
    /// The UploadCluster that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ObjectName>,
    /// The address, without a signature.
    #[schemars(length(max = 2048))]
    pub url: String,
}

/// What an endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum EndpointType {
    /// HLS multivariant playlist.
    #[serde(rename = "HLS")]
    Hls,
    /// MPEG-DASH manifest.
    #[serde(rename = "DASH")]
    Dash,
    /// The original, or a progressive rendition.
    File,
    /// `.torrent` file.
    Torrent,
    /// Metalink 4 file.
    Metalink,
    /// Magnet link.
    Magnet,
    /// Poster image.
    Poster,
    /// WebVTT index of sprite sheets, for the seek bar.
    Thumbnails,
}
