//! What the pool controller has solved. Written by that controller alone, once an interval: this is the
//! commit of an allocation's generation, so a deposed leader cannot commit.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{BytesPerSecond, ObjectName, condition_list};

/// State of a BandwidthPool.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BandwidthPoolStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready first, then Solved, CapacityShort.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Vec<Condition>,
    /// Generation of the allocation table in force; only ever grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Bytes per second in reach: the spec's capacity or that of the active clusters, whichever is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bytes_per_second: Option<BytesPerSecond>,
    /// Bytes per second given to swarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_bytes_per_second: Option<BytesPerSecond>,
    /// Bandwidth multiplier D/S in thousandths, over the last interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier_milli: Option<i32>,
    /// Swarms in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarms: Option<i32>,
    /// When the table in force was solved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_solve: Option<Time>,
    /// Share of each cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub clusters: Vec<PoolClusterStatus>,
}

/// Share of one UploadCluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolClusterStatus {
    /// Name of the UploadCluster.
    pub name: ObjectName,
    /// Bytes per second it has.
    pub capacity_bytes_per_second: BytesPerSecond,
    /// Bytes per second given to swarms there.
    pub allocated_bytes_per_second: BytesPerSecond,
    /// Whether it took part in the last solution.
    pub active: bool,
}
