//! What tracker and scheduler exchange: one sample per swarm and interval on the way up, tables of rates and snapshots of models on
//! the way down. Rates are bytes per second, times seconds, unless a name says otherwise.

use serde::{Deserialize, Serialize};

use crate::ids::{ContentId, InfoHash};

/// What sets a sample apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SampleFlag {
    /// The uploaders sent less than 0.9 of what was allocated: demand ended it, so it says nothing of the exponent.
    DemandLimited,
    /// The uploaders sent more than was allocated, by borrowing.
    Borrowed,
    /// The rate was dithered by the scheduler.
    Dithered,
    /// Some of D is the repeated rate of reports that did not come.
    Repeated,
    /// A limit against fraud lowered D.
    Limited,
    /// The tracker was not up for the whole interval.
    Partial,
}

/// One swarm over one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The content; `None` for a torrent that is not of the index (`--open`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// The v1 info hash where there is one, else the truncated v2.
    pub info_hash: InfoHash,
    /// S as it was allocated to BitTorrent peers throughout the interval (where a table replaced another, the least of both), bytes
    /// per second; `None` without a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated: Option<u64>,
    /// Bytes uploaders sent to BitTorrent peers.
    pub bittorrent_bytes: u64,
    /// Bytes uploaders sent over HTTP to viewers that are no peers.
    pub http_bytes: u64,
    /// D: bytes the leechers came to have, after the limits against fraud.
    pub downloaded_bytes: u64,
    /// The sum of what peers say they downloaded.
    pub announced_bytes: u64,
    /// The sum of what peers say they uploaded.
    pub uploaded_bytes: u64,
    /// The sum by which what peers lack became less.
    pub left_bytes: u64,
    /// Bytes connected peers came to have, by their HAVEs at the uploaders.
    pub have_bytes: u64,
    /// Time average of leechers (l), thousandths; each counts from its first announce once a second one confirmed it.
    pub leechers_milli: u64,
    /// Of those, the part that made progress.
    pub progressing_milli: u64,
    /// Time average of seeders (s) without uploaders, thousandths.
    pub seeders_milli: u64,
    /// Time average of leechers connected to uploaders after a handshake, summed over uploaders, thousandths.
    pub connected_milli: u64,
    /// Reports of peers that should have covered the end of the interval.
    pub reports_expected: u32,
    /// Reports that did.
    pub reports_received: u32,
    /// Generation of the table in force at the end of the interval; 0 without one.
    pub generation: u64,
    /// What sets it apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SampleFlag>,
}

/// All swarms in which something happened in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IntervalSamples {
    /// Number of the interval; grows by one, also over restarts, though some may be missing then.
    pub interval: u64,
    /// When it began, milliseconds since 1970, by the clock at the time. For people; the numbers count.
    pub began: u64,
    /// Length, milliseconds.
    pub millis: u64,
    /// By swarm.
    pub samples: Vec<Sample>,
}

/// Answer to `GET /v1/samples?after=<interval>&wait=<seconds>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SamplesAnswer {
    /// Names the database; another epoch counts intervals anew.
    pub epoch: String,
    /// Finished intervals after the one asked for that are still kept, oldest first, at most 4.
    pub intervals: Vec<IntervalSamples>,
}

/// What one content may be sent at in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolRate {
    /// The content.
    pub content: ContentId,
    /// The cluster whose uploaders share it; empty without clusters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Bytes per second to BitTorrent peers (S).
    pub bittorrent: u64,
    /// Bytes per second over HTTP.
    pub http: u64,
    /// Most that `bittorrent` may grow to by borrowing; 0 for no borrowing.
    #[serde(default)]
    pub ceiling: u64,
    /// Weight times marginal gain, thousandths.
    #[serde(default)]
    pub marginal_milli: u32,
    /// The scheduler moved the rate on purpose, to learn.
    #[serde(default)]
    pub dithered: bool,
}

/// `PUT /v1/pools/{pool}/table`: what the contents of a pool may be sent at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolTable {
    /// As committed in the pool's status; an older one is refused.
    pub generation: u64,
    /// How long it holds, on the uploaders' monotonic clocks; at most an hour.
    pub ttl_seconds: u64,
    /// Bytes per second over HTTP, in all, for contents the table does not name.
    #[serde(default)]
    pub unnamed: u64,
    /// Bytes per second to BitTorrent peers, in all, for contents the table does not name: swarms that are new.
    #[serde(default)]
    pub unnamed_bittorrent: u64,
    /// Most bytes per second the pool may send in all: what uploaders share evenly when the table has run out. 0: what the table gives.
    #[serde(default)]
    pub capacity: u64,
    /// At most 1,000,000, each pair of content and cluster once.
    pub rates: Vec<PoolRate>,
}

/// Answer to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TableReceipt {
    /// The generation in force now.
    pub generation: u64,
    /// Uploaders that will receive it with their next report.
    pub uploaders: u32,
}

/// A pool the tracker has a table of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolSummary {
    /// Its name.
    pub name: String,
    /// Generation of the table put last.
    pub generation: u64,
}

/// Answer to `GET /v1/pools`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolsAnswer {
    /// By name.
    pub pools: Vec<PoolSummary>,
}

/// An uploader that reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploaderSummary {
    /// Its name.
    pub name: String,
    /// The cluster it says it is in; empty without clusters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// What it says it can send, bytes per second.
    pub capacity: u64,
    /// Bytes it reported as sent, over all its reports since it came.
    pub sent_bytes: u64,
    /// Since when it has been reporting, milliseconds before now.
    pub age_millis: u64,
}

/// Answer to `GET /v1/uploaders`: those whose table has not run out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadersAnswer {
    /// By name.
    pub uploaders: Vec<UploaderSummary>,
}

/// Answer to `GET /v1/uploaders/division`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DivisionAnswer {
    /// Changes whenever rates are divided anew among uploaders; a report then brings the new part.
    pub number: u64,
}

/// `PUT` and `GET /v1/pools/{pool}/models`: a scheduler's models, opaque to the tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelSnapshot {
    /// An older one is refused.
    pub generation: u64,
    /// Any text of at most 64 MiB, for example base64.
    pub body: String,
}

/// Answer to `GET /v1/contents/{id}/announce`: what a torrent of the content names as its trackers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnnounceUrls {
    /// Whether the torrent is for members of a namespace only. Its URLs carry a secret.
    pub secret: bool,
    /// Announce URLs, HTTP first; empty when the tracker does not know how peers reach it.
    pub urls: Vec<String>,
    /// Base URLs of the uploaders that say where clients reach them, of all clusters, each once.
    #[serde(default)]
    pub mirrors: Vec<String>,
}
