//! `ContentSource`: a third-party server that is crawled for links, and used within limits
//! (Open-P2SP, Li et al., IEEE TPDS 2013).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{BytesPerSecond, SecretRef, condition_list};

/// A server and the limits of its use.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "videocloud.dev",
    version = "v1alpha1",
    kind = "ContentSource",
    doc = "A third-party server whose links are crawled, checked and used within limits.",
    namespaced,
    status = "ContentSourceStatus",
    derive = "PartialEq",
    shortname = "cs",
    category = "videocloud",
    selectable = ".status.state",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Links", type_ = "integer", json_path = ".status.links.known"),
    printcolumn(
        name = "Utilisation",
        type_ = "integer",
        json_path = ".status.utilisationPercent",
        description = "Percent of the server's peak this system causes."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        priority = 1
    ),
    printcolumn(name = "Dead", type_ = "integer", json_path = ".status.links.dead", priority = 1),
    printcolumn(name = "Inconsistent", type_ = "integer", json_path = ".status.links.inconsistent", priority = 1),
    printcolumn(name = "Last-Crawl", type_ = "date", json_path = ".status.lastCrawl", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct ContentSourceSpec {
    /// Page or directory the crawl begins at: http, https, ftp or ftps.
    #[x_kube(
        validation = ("self.matches('(?i)^(https?|ftps?)://[^/?#:\\\\s]')", "url must be http://, https://, ftp:// or ftps:// and a host"),
        validation = ("!self.matches('(?i)^[a-z]+://[^/?#]*@')", "url must not contain a user name or password: put them into a Secret and name it in credentialsSecretRef"),
        validation = ("!self.matches('[#\\\\s]')", "url must not contain a fragment or spaces"),
        validation = ("self == oldSelf", "url cannot be changed: create another ContentSource"),
    )]
    #[schemars(length(min = 8, max = 2048))]
    pub url: String,
    /// How far and how often it is crawled.
    #[serde(default)]
    pub crawl: Crawl,
    /// Most of the server's bandwidth this system may use, in percent of the peak it has shown.
    #[serde(default = "default_cap")]
    #[schemars(range(min = 1, max = 100))]
    pub utilisation_cap_percent: i32,
    /// Most connections to the server at a time, from all downloads together.
    #[serde(default = "default_connections")]
    #[schemars(range(min = 1, max = 64))]
    pub connections: i32,
    /// Secret in this namespace with `username` and `password`, `cookie`, `headers` or `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Stops the crawl; known links stay in use.
    #[serde(default)]
    pub suspend: bool,
}

/// Extent of a crawl.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Crawl {
    /// Seconds between two crawls.
    #[serde(default = "default_crawl_interval")]
    #[schemars(range(min = 300, max = 2_592_000))]
    pub interval_seconds: i32,
    /// Where a crawl ends.
    #[serde(default)]
    pub limits: CrawlLimits,
    /// Paths that are followed, as glob patterns; all when empty. Links never lead to another host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = ("self.all(p, p.startsWith('/'))", "allow: each pattern is a path and starts with '/'"),
    )]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub allow: Vec<String>,
    /// Paths that are left out, as glob patterns; stronger than allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = ("self.all(p, p.startsWith('/'))", "deny: each pattern is a path and starts with '/'"),
    )]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub deny: Vec<String>,
}

/// Limits of one crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrawlLimits {
    /// Most pages fetched.
    #[serde(default = "default_pages")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pages: i32,
    /// Most links from the first page.
    #[serde(default = "default_depth")]
    #[schemars(range(min = 0, max = 64))]
    pub depth: i32,
    /// Most file links kept.
    #[serde(default = "default_links")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub links: i32,
    /// Most requests a minute.
    #[serde(default = "default_requests")]
    #[schemars(range(min = 1, max = 6_000))]
    pub requests_per_minute: i32,
}

impl Default for Crawl {
    fn default() -> Self {
        Self {
            interval_seconds: default_crawl_interval(),
            limits: CrawlLimits::default(),
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

impl Default for CrawlLimits {
    fn default() -> Self {
        Self {
            pages: default_pages(),
            depth: default_depth(),
            links: default_links(),
            requests_per_minute: default_requests(),
        }
    }
}

fn default_crawl_interval() -> i32 {
    86_400
}

fn default_pages() -> i32 {
    10_000
}

fn default_depth() -> i32 {
    8
}

fn default_links() -> i32 {
    100_000
}

fn default_requests() -> i32 {
    60
}

/// Forty percent: a server's own load stays below 60 % (Open-P2SP).
fn default_cap() -> i32 {
    40
}

fn default_connections() -> i32 {
    4
}

/// State of a ContentSource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentSourceStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready first, then Reachable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Vec<Condition>,
    /// What is being done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ContentSourceState>,
    /// Its links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkCounts>,
    /// Highest rate it has shown, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes_per_second: Option<BytesPerSecond>,
    /// Percent of that peak this system causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000))]
    pub utilisation_percent: Option<i32>,
    /// When the last crawl ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_crawl: Option<Time>,
}

/// What is being done with a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContentSourceState {
    /// Not crawled yet.
    #[default]
    Pending,
    /// Being crawled.
    Crawling,
    /// In use.
    Idle,
    /// Over its cap: users are being told to stop.
    Throttled,
    /// Cannot be reached.
    Unreachable,
    /// Stopped by `suspend`.
    Suspended,
}

/// Links of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkCounts {
    /// In the index.
    pub known: i32,
    /// Removed because they could not be fetched.
    pub dead: i32,
    /// Found to deliver other bytes than indexed.
    pub inconsistent: i32,
}
