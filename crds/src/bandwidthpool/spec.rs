//! What a pool holds, what it is for, and how it is solved (FIFA, Li et al., IEEE IWQoS 2012).

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BandwidthPoolStatus, Tenant};
use crate::types::BytesPerSecond;

/// Upload bandwidth and the rule of its division.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "BandwidthPool",
    doc = "Upload bandwidth that swarms share by what it does for them.",
    status = "BandwidthPoolStatus",
    derive = "PartialEq",
    shortname = "bp",
    category = "videocloud",
    selectable = ".spec.policy",
    selectable = ".spec.objective",
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policy"),
    printcolumn(name = "Objective", type_ = "string", json_path = ".spec.objective"),
    printcolumn(
        name = "Capacity",
        type_ = "integer",
        json_path = ".status.capacityBytesPerSecond",
        description = "Bytes per second in reach."
    ),
    printcolumn(
        name = "Allocated",
        type_ = "integer",
        json_path = ".status.allocatedBytesPerSecond",
        description = "Bytes per second given to swarms."
    ),
    printcolumn(
        name = "Multiplier",
        type_ = "integer",
        json_path = ".status.multiplierMilli",
        description = "Bytes downloaded per 1000 bytes uploaded."
    ),
    printcolumn(name = "Swarms", type_ = "integer", json_path = ".status.swarms"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        priority = 1
    ),
    printcolumn(name = "Generation", type_ = "integer", json_path = ".status.generation", priority = 1),
    printcolumn(name = "Last-Solve", type_ = "date", json_path = ".status.lastSolve", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.tenants) || self.tenants.map(t, t.sharePercent).sum() <= 100", "the tenants' sharePercent add up to more than 100"))]
pub struct BandwidthPoolSpec {
    /// Most bytes per second the pool's clusters upload together: a cap, not an order to spend.
    #[schemars(range(min = 1_000))]
    pub capacity_bytes_per_second: BytesPerSecond,
    /// How bandwidth is divided.
    #[serde(default)]
    pub policy: Policy,
    /// What policy Optimal optimises.
    #[serde(default)]
    pub objective: Objective,
    /// Bytes per second objective Target keeps each viewer at, unless a rendition's rate is known.
    #[serde(default = "default_target")]
    #[schemars(range(min = 1_000))]
    pub target_bytes_per_second_per_peer: BytesPerSecond,
    /// Seconds between two solutions; also how often peers report.
    #[serde(default = "default_interval")]
    #[schemars(range(min = 5, max = 3600))]
    pub interval_seconds: i32,
    /// Percent of capacity kept for HTTP viewers outside the swarms.
    #[serde(default = "default_reserve")]
    #[schemars(range(min = 0, max = 90))]
    pub direct_reserve_percent: i32,
    /// Least bytes downloaded more per 1000 bytes uploaded more; bandwidth that does less is not spent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub min_marginal_utility_milli: i32,
    /// Small variations that let the model learn.
    #[serde(default)]
    pub exploration: Exploration,
    /// Whether swarms may use what others leave unused.
    #[serde(default)]
    pub borrowing: Borrowing,
    /// Stops solving. The table in force runs out after three intervals; then uploaders share evenly.
    #[serde(default)]
    pub suspend: bool,
    /// Bounds by namespace; none means no bounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub tenants: Vec<Tenant>,
}

/// Rule of division.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Policy {
    /// By the fitted model of each swarm (FIFA).
    #[default]
    Optimal,
    /// All requests compete for the pool: common practice.
    FreeCompetitive,
    /// In proportion to peers.
    Proportional,
    /// By a model in bandwidth and leechers only (Wu, Li, Zhao, IEEE/ACM ToN 2011).
    Ration,
}

/// Aim of policy Optimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Objective {
    /// Least upload that keeps every viewer at the target rate; Delay when that does not fit.
    #[default]
    Target,
    /// Smallest total waiting time (alpha = 2).
    Delay,
    /// Proportional fairness (alpha = 1).
    Balanced,
    /// Most bytes downloaded per byte uploaded, as in the paper (alpha = 0).
    Multiplier,
}

/// Deliberate variation of allocations, in pairs that cancel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exploration {
    /// Whether to vary.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// How far, in percent of a swarm's bandwidth.
    #[serde(default = "default_dither")]
    #[schemars(range(min = 1, max = 25))]
    pub dither_percent: i32,
}

/// Use of unused bandwidth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Borrowing {
    /// Whether swarms may borrow.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
}

impl Default for Exploration {
    fn default() -> Self {
        Self { enabled: true, dither_percent: default_dither() }
    }
}

impl Default for Borrowing {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// d_high of Open-P2SP (Li et al., IEEE TPDS 2013): 100 KB/s, a viewer's playback rate.
fn default_target() -> BytesPerSecond {
    BytesPerSecond(100_000)
}

/// Five minutes, the period of the paper's reports.
fn default_interval() -> i32 {
    300
}

fn default_reserve() -> i32 {
    20
}

fn default_enabled() -> bool {
    true
}

/// Ten percent, which costs about 0.12 % of the download rate.
fn default_dither() -> i32 {
    10
}
