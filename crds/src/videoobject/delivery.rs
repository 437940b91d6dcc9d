//! How viewers get the video.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{BytesPerSecond, ObjectName};

/// Delivery of the original and its renditions.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Swarm: by peers and uploaders together. Direct: by HTTP from the uploaders alone.
    #[serde(default)]
    pub mode: DeliveryMode,
    /// Fetch it from the first byte to the last, and serve the file while the rest of it arrives: those bytes that piece hashes (of a
    /// torrent or Metalink) prove. Without piece hashes it is served when it is whole, as it is without this.
    #[serde(default)]
    pub while_downloading: bool,
    /// Public: whoever has the address. Signed: whoever has a signed address.
    #[serde(default)]
    pub access: Access,
    /// Name of the BandwidthPool that pays for it. Without it, the operator's default pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_ref: Option<ObjectName>,
    /// Worth of a byte delivered here against one of other videos in the pool: 20 counts twice as much as 10.
    /// The pool may bound it by namespace.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// Bytes per second each viewer gets before anything is shared out by worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bytes_per_second_per_peer: Option<BytesPerSecond>,
    /// Names of the UploadClusters that may deliver it; empty for all of the pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 64))]
    pub clusters: Vec<ObjectName>,
}

/// Transport of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeliveryMode {
    /// Peers share what they have; uploaders add what the pool gives them.
    #[default]
    Swarm,
    /// Client and server only: the plain mode.
    Direct,
}

/// Who may fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Access {
    /// Whoever has the address.
    #[default]
    Public,
    /// Whoever has an address with a valid signature.
    Signed,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            mode: DeliveryMode::default(),
            while_downloading: false,
            access: Access::default(),
            pool_ref: None,
            weight: default_weight(),
            min_bytes_per_second_per_peer: None,
            clusters: Vec::new(),
        }
    }
}

/// Ten, which leaves a factor of ten both ways.
fn default_weight() -> i32 {
    10
}
