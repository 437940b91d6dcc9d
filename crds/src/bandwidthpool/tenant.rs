//! Bounds on what the videos of some namespaces may ask of a pool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Bytes, BytesPerSecond, LabelName, NamespaceSelector};

/// Bounds for the namespaces a selector matches; the first entry that matches counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Name of this entry.
    pub name: LabelName,
    /// Namespaces it is about.
    pub namespace_selector: NamespaceSelector,
    /// Percent of the pool kept for these namespaces when they need it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub share_percent: i32,
    /// Largest `delivery.weight` that counts.
    #[serde(default = "default_max_weight")]
    #[schemars(range(min = 1, max = 100))]
    pub max_weight: i32,
    /// Largest `delivery.minBytesPerSecondPerPeer` that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_floor_bytes_per_second_per_peer: Option<BytesPerSecond>,
    /// Bytes of content these namespaces may pin together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_bytes: Option<Bytes>,
}

fn default_max_weight() -> i32 {
    100
}
