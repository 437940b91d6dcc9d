//! `TranscodeJob`: the making of one rendition of one video.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TranscodeJobStatus, TranscodeSettings};
use crate::types::{LocalObjectRef, ObjectName};

/// What to make, of what, and how hard to try.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "TranscodeJob",
    doc = "The making of one rendition of a VideoObject.",
    namespaced,
    status = "TranscodeJobStatus",
    derive = "PartialEq",
    shortname = "tj",
    category = "videocloud",
    selectable = ".status.phase",
    selectable = ".spec.videoRef.name",
    selectable = ".spec.profileRef",
    printcolumn(name = "Video", type_ = "string", json_path = ".spec.videoRef.name"),
    printcolumn(name = "Profile", type_ = "string", json_path = ".spec.profileRef"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Progress",
        type_ = "integer",
        json_path = ".status.progressPercent",
        description = "Percent of the whole job."
    ),
    printcolumn(name = "Chunks", type_ = "string", json_path = ".status.chunks", description = "Chunks done of all."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reused", type_ = "boolean", json_path = ".status.reused", priority = 1),
    printcolumn(name = "Queue", type_ = "string", json_path = ".spec.queueName", priority = 1),
    printcolumn(name = "Key", type_ = "string", json_path = ".status.key", priority = 1),
    printcolumn(name = "Failure", type_ = "string", json_path = ".status.failureClass", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.profileRef) != has(self.settings)", "give exactly one of profileRef and settings"),
    validation = ("self.videoRef == oldSelf.videoRef", "videoRef cannot be changed: create another TranscodeJob"),
    validation = ("has(self.profileRef) == has(oldSelf.profileRef) && (!has(self.profileRef) || self.profileRef == oldSelf.profileRef)", "profileRef cannot be changed: create another TranscodeJob"),
    validation = ("has(self.settings) == has(oldSelf.settings) && (!has(self.settings) || self.settings == oldSelf.settings)", "settings cannot be changed: create another TranscodeJob"),
    validation = ("self.chunking == oldSelf.chunking", "chunking cannot be changed: create another TranscodeJob"),
    validation = ("has(self.queueName) == has(oldSelf.queueName) && (!has(self.queueName) || self.queueName == oldSelf.queueName)", "queueName cannot be changed: create another TranscodeJob"),
    validation = ("self.backoffLimit == oldSelf.backoffLimit", "backoffLimit cannot be changed: create another TranscodeJob"),
    validation = ("self.activeDeadlineSeconds == oldSelf.activeDeadlineSeconds", "activeDeadlineSeconds cannot be changed: create another TranscodeJob"),
    validation = ("self.ttlSecondsAfterFinished == oldSelf.ttlSecondsAfterFinished", "ttlSecondsAfterFinished cannot be changed: create another TranscodeJob"),
)]
pub struct TranscodeJobSpec {
    /// The VideoObject in this namespace to transcode.
    pub video_ref: LocalObjectRef,
    /// Name of the TranscodeProfile; or give `settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_ref: Option<ObjectName>,
    /// Settings in place of a profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<TranscodeSettings>,
    /// How the video is cut for encoding side by side.
    #[serde(default)]
    pub chunking: Chunking,
    /// Most chunks encoded at a time.
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallelism: i32,
    /// Kueue LocalQueue that admits the Jobs; without it the operator does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<ObjectName>,
    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<ObjectName>,
    /// Place in the operator's queue: higher is admitted first.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Retries of each chunk before the job has failed.
    #[serde(default = "default_backoff_limit")]
    #[schemars(range(min = 0, max = 20))]
    pub backoff_limit: i32,
    /// Seconds of work after which the job has failed.
    #[serde(default = "default_active_deadline")]
    #[schemars(range(min = 60, max = 604_800))]
    pub active_deadline_seconds: i32,
    /// Seconds after which the finished TranscodeJob is deleted; its output stays.
    #[serde(default)]
    pub ttl_seconds_after_finished: TtlSecondsAfterFinished,
    /// Stops the work; finished chunks are kept.
    #[serde(default)]
    pub suspend: bool,
}

/// Cutting into chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chunking {
    /// Auto cuts when it pays; Single never cuts.
    #[serde(default)]
    pub mode: ChunkingMode,
    /// Wanted length of a chunk in seconds, rounded to whole segments.
    #[serde(default = "default_chunk_seconds")]
    #[schemars(range(min = 20, max = 600))]
    pub seconds: i32,
}

/// Whether to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChunkingMode {
    /// Cut when the video is long enough and its time stamps allow it.
    #[default]
    Auto,
    /// One chunk.
    Single,
}

/// Deletion of finished jobs, by outcome. Kept for good where not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TtlSecondsAfterFinished {
    /// After success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub succeeded: Option<i32>,
    /// After failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub failed: Option<i32>,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { mode: ChunkingMode::default(), seconds: default_chunk_seconds() }
    }
}

fn default_chunk_seconds() -> i32 {
    60
}

fn default_parallelism() -> i32 {
    4
}

fn default_backoff_limit() -> i32 {
    3
}

fn default_active_deadline() -> i32 {
    86_400
}
