//! `VideoObject`: links in, a playable, delivered video out.
//!
//! The spec is split over a file per idea: where the bytes come from, what is made of them, how they
//! are delivered and how long they are kept.

mod delivery;
mod rendition;
mod retention;
mod source;
mod status;

pub use delivery::{Access, Delivery, DeliveryMode};
pub use rendition::{Rendition, Reuse};
pub use retention::{DeletionPolicy, Retention};
pub use source::{Document, Header, KeyRef, Source};
pub use status::{
    Content, Endpoint, EndpointType, Media, RenditionState, RenditionStatus, SourceState, SourceStatus, Verification,
    VideoObjectStatus, VideoPhase,
};

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::types::{Bytes, Digest};

/// What a user asks for: one content, by one or more links.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "VideoObject",
    doc = "A video: fetched from its links, verified, kept, transcoded and delivered.",
    namespaced,
    status = "VideoObjectStatus",
    derive = "PartialEq",
    shortname = "vo",
    category = "videocloud",
    selectable = ".status.phase",
    selectable = ".spec.delivery.poolRef",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Where the video is on its way."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the video can be played."
    ),
    printcolumn(
        name = "Progress",
        type_ = "integer",
        json_path = ".status.progressPercent",
        description = "Percent of the present phase."
    ),
    printcolumn(
        name = "Size",
        type_ = "integer",
        json_path = ".status.content.size",
        description = "Bytes of the original."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.delivery.mode", priority = 1),
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.delivery.poolRef", priority = 1),
    printcolumn(name = "Content", type_ = "string", json_path = ".status.content.id", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(oldSelf.digest) || (has(self.digest) && self.digest == oldSelf.digest)", "digest cannot be changed once set: another digest is another content, so create another VideoObject"),
    validation = ("!has(oldSelf.size) || (has(self.size) && self.size == oldSelf.size)", "size cannot be changed once set: another size is another content, so create another VideoObject"),
)]
pub struct VideoObjectSpec {
    /// Links to the content, used side by side. They may be edited to retry.
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = ("self.all(a, !has(a.url) || self.exists_one(b, has(b.url) && b.url == a.url))", "two sources have the same url"),
    )]
    #[schemars(length(min = 1, max = 64))]
    pub sources: Vec<Source>,
    /// Digest the content must have. Without it the content is verified by piece hashes, by agreement of
    /// its sources or, with one source alone, not at all; `status.verification` says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Size the content must have, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub size: Option<Bytes>,
    /// What is made of the content, one entry per TranscodeProfile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["profileRef".into()]))]
    #[schemars(length(max = 16))]
    pub renditions: Vec<Rendition>,
    /// How viewers get it.
    #[serde(default)]
    pub delivery: Delivery,
    /// How long it is kept.
    #[serde(default)]
    pub retention: Retention,
    /// What happens to the content when the VideoObject is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Stops downloads and transcodes; what is there is still delivered.
    #[serde(default)]
    pub suspend: bool,
    /// Seconds without progress after which the download has failed.
    #[serde(default = "default_progress_deadline")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub progress_deadline_seconds: i32,
    /// Place in the queue for work: higher is admitted first.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
}

/// One day, the period after which the authors' system calls a download without progress failed
/// (Huang et al., ACM Multimedia 2011).
fn default_progress_deadline() -> i32 {
    86_400
}
