//! What the transcode controller has observed. Written by that controller alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TranscodeSettings;
use crate::types::{BitsPerSecond, Bytes, condition_list};

/// State of a TranscodeJob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscodeJobStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Value of the annotation `videocloud.dev/retry` this status is about: another value asks for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub observed_retry: Option<String>,
    /// Where the job is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TranscodePhase>,
    /// Ready first, then Planned, Encoded, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Vec<Condition>,
    /// Percent of the whole job, in coarse steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress_percent: Option<i32>,
    /// Chunks done of all, for example `12/40`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub chunks: Option<String>,
    /// Settings in force, from the profile or the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<TranscodeSettings>,
    /// Rendition key: same key, same object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub key: Option<String>,
    /// Name the Jobs of this rendition set begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub run: Option<String>,
    /// The rendition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<TranscodeOutput>,
    /// Whether the rendition was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<bool>,
    /// The nearest existing rendition, when none is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<Recommendation>,
    /// What kind of failure ended the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_class: Option<FailureClass>,
}

/// Where a job is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TranscodePhase {
    /// Waiting for the original.
    #[default]
    Pending,
    /// Waiting for admission.
    Queued,
    /// Finding ticks and chunks.
    Planning,
    /// Encoding chunks.
    Encoding,
    /// Joining, packaging, validating, publishing.
    Finishing,
    /// The rendition is there.
    Succeeded,
    /// Given up; failureClass and the Ready condition say why.
    Failed,
    /// Stopped by `suspend`.
    Suspended,
}

impl TranscodePhase {
    /// The word in `status.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Queued => "Queued",
            Self::Planning => "Planning",
            Self::Encoding => "Encoding",
            Self::Finishing => "Finishing",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Suspended => "Suspended",
        }
    }
}

/// A finished rendition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscodeOutput {
    /// Bytes of all its parts.
    pub size: Bytes,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Duration in milliseconds.
    pub duration_millis: i64,
    /// Mean rate in bits per second.
    pub bitrate: BitsPerSecond,
    /// Constant rate factor it was encoded with: the profile's, or the one chosen for its targetVmaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crf: Option<i32>,
    /// Mean VMAF of sample scenes with that factor times 1000, when it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_vmaf_milli: Option<i32>,
}

/// An existing rendition near to the wanted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// Its rendition key.
    #[schemars(length(max = 128))]
    pub key: String,
    /// Its distance, 1 to 100: accepted by a `reuse.maxDistance` this large.
    #[schemars(range(min = 0, max = 100))]
    pub distance: i32,
}

/// Kind of a failure, which decides whether another try can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailureClass {
    /// The bytes are wrong or unusable. Terminal.
    BadInput,
    /// The settings do not fit the source or the encoder. Terminal.
    BadSpec,
    /// The original cannot be had. Terminal until its sources change.
    SourceFailed,
    /// No progress within the deadline. Terminal.
    Stalled,
    /// Something passing: retried.
    Transient,
    /// Out of memory or scratch space: retried, with more where there is more.
    Resources,
    /// The store has no room: retried while room is made.
    StoreFull,
    /// Told to stop: retried.
    Interrupted,
}
