//! How long the video is kept, and what its deletion means.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::DurationText;

/// Keeping of the content. Without pinned or ttl it is kept until space is short.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!(has(self.pinned) && self.pinned && has(self.ttl))", "pinned content is kept for good: remove ttl, or set pinned to false"))]
pub struct Retention {
    /// Never evict it, within the namespace's `pinnedBytes` of the pool.
    #[serde(default)]
    pub pinned: bool,
    /// Evict it this long after the last request; it is fetched again when somebody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationText>,
}

/// Fate of the content when its VideoObject is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The content is released, and removed once no other VideoObject wants it.
    #[default]
    Delete,
    /// The content stays in the store until space is short.
    Retain,
}
