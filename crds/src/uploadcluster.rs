//! `UploadCluster`: a cluster that uploads for a pool, and how the hub reaches it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{BaseUrl, BytesPerSecond, ObjectName, SecretRef, condition_list};

/// A member cluster. With `local` it is the hub itself, with `kubeconfigSecretRef` the hub manages it, with
/// neither it is attached: its uploaders join by token and the hub holds no credentials.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "UploadCluster",
    doc = "A cluster whose uploaders deliver for a BandwidthPool.",
    status = "UploadClusterStatus",
    derive = "PartialEq",
    shortname = "uc",
    category = "videocloud",
    selectable = ".spec.poolRef",
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.poolRef"),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "Uploaders", type_ = "integer", json_path = ".status.uploaders"),
    printcolumn(
        name = "Capacity",
        type_ = "integer",
        json_path = ".status.capacityBytesPerSecond",
        description = "Bytes per second."
    ),
    printcolumn(
        name = "Used",
        type_ = "integer",
        json_path = ".status.usedBytesPerSecond",
        description = "Bytes per second."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.endpoint", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Active\")].reason",
        priority = 1
    ),
    printcolumn(name = "Cluster-UID", type_ = "string", json_path = ".status.clusterUID", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!(has(self.local) && has(self.kubeconfigSecretRef))", "give at most one of local and kubeconfigSecretRef; neither means the cluster joins by token"),
    validation = ("!has(self.offlineRateBytesPerSecond) || self.offlineRateBytesPerSecond <= self.capacityBytesPerSecond", "offlineRateBytesPerSecond must not exceed capacityBytesPerSecond"),
    validation = ("has(self.local) == has(oldSelf.local) && has(self.kubeconfigSecretRef) == has(oldSelf.kubeconfigSecretRef)", "a cluster cannot change between local, managed and attached: create another UploadCluster"),
)]
pub struct UploadClusterSpec {
    /// Name of the BandwidthPool it uploads for.
    #[x_kube(validation = ("self == oldSelf", "poolRef cannot be changed: create another UploadCluster"))]
    pub pool_ref: ObjectName,
    /// The hub itself: write `local: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalCluster>,
    /// Secret in the operator's namespace whose key `kubeconfig` leads to the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret_ref: Option<SecretRef>,
    /// Most bytes per second it uploads.
    #[schemars(range(min = 1_000))]
    pub capacity_bytes_per_second: BytesPerSecond,
    /// Bytes per second it may upload while cut off from the hub; kept free for it as long as it is unreachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_rate_bytes_per_second: Option<BytesPerSecond>,
    /// Base of the addresses viewers use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<BaseUrl>,
    /// How peers reach each replica.
    #[serde(default)]
    pub exposure: Exposure,
    /// `host:port` of each replica, in order, where `exposure` cannot find them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = ("self.all(e, e.matches('^([A-Za-z0-9.-]+|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$') && int(e.substring(e.lastIndexOf(':') + 1)) >= 1 && int(e.substring(e.lastIndexOf(':') + 1)) <= 65535)", "each peerEndpoint must be host:port or [IPv6 address]:port"))]
    #[schemars(length(max = 128), inner(length(min = 3, max = 262)), extend("x-kubernetes-list-type" = "atomic"))]
    pub peer_endpoints: Vec<String>,
    /// Number and size of its uploaders.
    #[serde(default)]
    pub uploaders: Uploaders,
}

/// The hub as a member. Has no fields yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalCluster {}

/// How peers outside the cluster reach an uploader replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Exposure {
    /// Not at all: peers inside the cluster only.
    #[default]
    ClusterIP,
    /// By a port of its node.
    NodePort,
    /// By a load balancer of its own.
    LoadBalancer,
    /// By the network of its node.
    HostNetwork,
}

/// Replicas of the uploader StatefulSet.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.min <= self.max", "uploaders.min must not exceed uploaders.max"))]
pub struct Uploaders {
    /// Fewest replicas.
    #[serde(default = "default_min")]
    #[schemars(range(min = 0, max = 128))]
    pub min: i32,
    /// Most replicas.
    #[serde(default = "default_max")]
    #[schemars(range(min = 1, max = 128))]
    pub max: i32,
    /// Bytes per second one replica can upload.
    #[serde(default = "default_per_replica")]
    #[schemars(range(min = 1_000))]
    pub capacity_bytes_per_second_per_replica: BytesPerSecond,
}

impl Default for Uploaders {
    fn default() -> Self {
        Self { min: default_min(), max: default_max(), capacity_bytes_per_second_per_replica: default_per_replica() }
    }
}

fn default_min() -> i32 {
    1
}

fn default_max() -> i32 {
    4
}

/// One gigabit per second.
fn default_per_replica() -> BytesPerSecond {
    BytesPerSecond(125_000_000)
}

/// State of an UploadCluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadClusterStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready first, then Active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Vec<Condition>,
    /// UID of the cluster's kube-system namespace, so that one cluster is not counted twice.
    #[serde(default, rename = "clusterUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_uid: Option<String>,
    /// Uploaders that report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaders: Option<i32>,
    /// Bytes per second they can upload together, at most the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bytes_per_second: Option<BytesPerSecond>,
    /// Bytes per second they uploaded over the last interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes_per_second: Option<BytesPerSecond>,
}
