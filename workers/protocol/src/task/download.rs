//! The order to fetch one content from many sources, and what came of it.

use serde::{Deserialize, Serialize};

use crate::{
    content::{ContentManifest, Visibility},
    digest::Digest,
    ids::{ClaimKey, ContentId, TaskId},
    link::Link,
};

/// One source of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// The name its owner gave it; status and progress use it.
    pub name: String,
    /// Where it is. Of a source with a `document` it only names that document, and nothing is at it.
    pub link: Link,
    /// File in the pod with a .torrent, .meta4 or .metalink document that is followed in place of `link`. The source is reported
    /// under `link` all the same: the index keeps that in the scope of this claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Which file of a multi-file source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Extra request headers, none of them secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Higher is tried first; 100 is usual.
    #[serde(default)]
    pub priority: i32,
    /// Folder with the files of its credentials Secret (`username`, `password`, `cookie`, `headers`, `proxy`), mounted into the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// What all downloads of a cluster together may ask of one host, and so what each has only a share of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SharedLimits {
    /// Connections at the same time.
    pub connections: u32,
    /// Requests per second; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Bytes per second; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Downloads that may run at the same time: what one takes when the tracker does not say is a part of so many.
    pub downloads: u32,
}

/// Ceilings of one download. All are required, so that none is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DownloadLimits {
    /// Largest content, bytes.
    pub max_size: u64,
    /// Seconds without one new byte before giving up.
    pub progress_deadline_seconds: u64,
    /// Connections to one host.
    pub connections_per_host: u32,
    /// Bytes per second in all; `None` for no limit.
    pub bytes_per_second: Option<u64>,
    /// Bytes per second given to peers of torrents meanwhile; 0 gives nothing, [`u64::MAX`] is no limit.
    #[serde(default)]
    pub upload_bytes_per_second: u64,
    /// What is shared with other downloads, by leases from the tracker; `None` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedLimits>,
}

impl Default for DownloadLimits {
    /// 1 TiB, 24 hours (the paper's period), 8 connections, no rate limit, nothing given away.
    fn default() -> Self {
        Self {
            max_size: 1 << 40,
            progress_deadline_seconds: 24 * 3600,
            connections_per_host: 8,
            bytes_per_second: None,
            upload_bytes_per_second: 0,
            shared: None,
        }
    }
}

/// What the index already believes of a link: to be confirmed with one request instead of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnownContent {
    /// The link that led there.
    pub link: Link,
    /// The content it led to.
    pub content: ContentId,
    /// Its size, bytes.
    pub size: u64,
    /// The ETag the link had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The Last-Modified date the link had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// The order: `VIDEOCLOUD_TASK` of a downloader pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DownloadTask {
    /// The task to report as.
    pub task: TaskId,
    /// The claim, which names the staging area.
    pub key: ClaimKey,
    /// Where to fetch from.
    pub sources: Vec<SourceSpec>,
    /// The whole-file digest that must result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The size that must result, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who may be told of the content.
    pub visibility: Visibility,
    /// Ceilings.
    pub limits: DownloadLimits,
    /// Take bytes that are neither video nor audio.
    #[serde(default)]
    pub any_content: bool,
    /// It is watched while it is fetched: from the first byte to the last, and others may read what is proven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub while_downloading: bool,
    /// Contents the links are believed to lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownContent>,
}

/// How a source fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SourceState {
    /// Not yet asked.
    Waiting,
    /// Gives bytes.
    Active,
    /// Usable, not needed at the moment.
    Idle,
    /// Given up for good.
    Failed,
    /// Gave wrong bytes.
    Banned,
}

/// What a source did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// The name its owner gave it.
    pub name: String,
    /// The link, whole: the index needs it. Show it by `Display`, which leaves the query out.
    pub link: Link,
    /// How it fares.
    pub state: SourceState,
    /// A word of [`crate::failure::reason`] when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Bytes it delivered.
    pub bytes: u64,
    /// The ETag it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The Last-Modified date it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// What came of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DownloadOutcome {
    /// The content, as committed in the store.
    pub content: ContentManifest,
    /// Whether the store had it already.
    pub deduplicated: bool,
    /// Whether a link was confirmed to lead to a known content, without a transfer.
    pub revalidated: bool,
    /// What each source did.
    pub sources: Vec<SourceReport>,
}
