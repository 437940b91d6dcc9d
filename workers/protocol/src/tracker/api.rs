//! Requests and answers of `/v1`. The OpenAPI document the tracker serves describes the same.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    content::{ContentManifest, Visibility},
    digest::Digest,
    ids::{ClaimKey, ContentId, RenditionKey},
    link::Link,
    rendition::RenditionSummary,
    task::{KnownContent, TaskRecord},
};

/// What an object wants: the same wish gives the same key, whoever has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Links, in any order.
    pub links: Vec<Link>,
    /// The whole-file digest, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The size, if known, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who may share it.
    pub visibility: Visibility,
    /// What makes one source differ from another behind the same link (selected file, headers), opaque.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Wanted {
    /// The claim key: one download Job per key.
    #[must_use]
    pub fn key(&self) -> ClaimKey {
        let mut links: Vec<String> = self.links.iter().map(|link| link.url().to_string()).collect();
        links.sort_unstable();
        links.dedup();
        let visibility = match &self.visibility {
            Visibility::Public => String::new(),
            Visibility::Namespace(namespace) => namespace.clone(),
        };
        let digest = self.digest.as_ref().map(ToString::to_string).unwrap_or_default();
        let size = self.size.map(|size| size.to_string()).unwrap_or_default();
        let head = [visibility, digest, size, self.variant.clone()];
        ClaimKey::derive(head.iter().chain(&links).map(String::as_bytes))
    }
}

/// The object that claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimOwner {
    /// Kubernetes uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// `PUT /v1/claims/{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimRequest {
    /// Who claims.
    pub owner: ClaimOwner,
    /// What.
    pub wanted: Wanted,
}

/// Answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimAnswer {
    /// The content, when it is known for certain: by digest, or by a link confirmed lately. No Job is needed then.
    pub content: Option<ContentManifest>,
    /// Contents its links led to before: the Job confirms one with a single request.
    #[serde(default)]
    pub known: Vec<KnownContent>,
    /// More public links that lead to the same content (cloud tracking).
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A claim that is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LiveClaim {
    /// What.
    pub key: ClaimKey,
    /// Who.
    pub owner: ClaimOwner,
    /// The content, once known, so that a rebuilt index learns it.
    pub content: Option<ContentId>,
}

/// `POST /v1/claims/sync`: every claim that is alive. Others are dropped, missing ones restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimSync {
    /// All of them.
    pub claims: Vec<LiveClaim>,
    /// Claims younger than this many seconds are kept though not named: they may be newer than the caller's view.
    pub grace_seconds: u64,
}

/// Answer to a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimSyncAnswer {
    /// Claims that were dropped.
    pub dropped: u64,
    /// Claims that were restored.
    pub restored: u64,
    /// Keys that nobody claims any more.
    pub abandoned: Vec<ClaimKey>,
}

/// Answer to `GET /v1/updates?after=<revision>&wait=<seconds>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Updates {
    /// Names this database; another epoch means another database, and revisions start again.
    pub epoch: String,
    /// Ask after this one next.
    pub revision: u64,
    /// Tasks that changed, oldest change first, at most 1,000; ask again at once when full.
    pub tasks: Vec<TaskRecord>,
}

/// `POST /v1/renditions/resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenditionsRequest {
    /// Exact keys, at most 1,000.
    pub keys: Vec<RenditionKey>,
    /// Also every rendition of these contents, for a recommendation of a near one, at most 100.
    pub sources: Vec<ContentId>,
}

/// Answer to a resolve: those that exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenditionsAnswer {
    /// By key or by source, each once.
    pub renditions: Vec<RenditionSummary>,
}

/// What an uploader served of one content since its last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploaderSwarm {
    /// The content (for a rendition, the content it was made from).
    pub content: ContentId,
    /// Bytes sent over HTTP.
    pub http_bytes: u64,
    /// Requests under way.
    pub requests: u32,
    /// Bytes sent to BitTorrent peers, over the peer wire and as a web seed.
    #[serde(default)]
    pub bittorrent_bytes: u64,
    /// Bytes that connected peers came to have since the last report, by their HAVEs.
    #[serde(default)]
    pub have_bytes: u64,
    /// Connected peers that lack pieces, after a handshake.
    #[serde(default)]
    pub leechers: u32,
    /// Connected peers that lack none.
    #[serde(default)]
    pub seeders: u32,
}

impl UploaderSwarm {
    /// Nothing sent of `content` yet.
    #[must_use]
    pub const fn new(content: ContentId) -> Self {
        Self { content, http_bytes: 0, requests: 0, bittorrent_bytes: 0, have_bytes: 0, leechers: 0, seeders: 0 }
    }
}

/// `POST /v1/uploaders/{name}/report`, every 10 s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploaderReport {
    /// What it can send, bytes per second.
    pub capacity: u64,
    /// Contents that were asked for since the last report, at most 100,000.
    pub swarms: Vec<UploaderSwarm>,
    /// Where clients reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The cluster it is in; empty without clusters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Where BitTorrent peers reach it, at most 4; the tracker names it to the peers of swarms it owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub bittorrent: Vec<SocketAddr>,
    /// It ends: nobody is to be sent there any more, and what it owned goes to others.
    #[serde(default)]
    pub draining: bool,
    /// Generation of the table it holds; 0 for none. The answer may then say that it is unchanged.
    #[serde(default)]
    pub generation: u64,
}

/// What one content may be sent at by one uploader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SwarmRate {
    /// The content.
    pub content: ContentId,
    /// Bytes per second over HTTP.
    pub http: u64,
    /// Bytes per second to BitTorrent peers (S), over the peer wire and as a web seed.
    #[serde(default)]
    pub bittorrent: u64,
    /// Most that `bittorrent` may grow to by borrowing what others leave unused; 0 for no borrowing.
    #[serde(default)]
    pub ceiling: u64,
    /// Weight times marginal gain, thousandths: who borrows first.
    #[serde(default)]
    pub marginal_milli: u32,
}

impl SwarmRate {
    /// `content` at a standstill.
    #[must_use]
    pub const fn new(content: ContentId) -> Self {
        Self { content, http: 0, bittorrent: 0, ceiling: 0, marginal_milli: 0 }
    }
}

/// Answer to a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploaderTable {
    /// Grows with each table; an older one is refused.
    pub generation: u64,
    /// Seconds it holds on the receiver's monotonic clock.
    pub ttl_seconds: u64,
    /// Bytes per second over HTTP for contents the table does not name.
    pub default_rate: u64,
    /// Bytes per second to BitTorrent peers for contents the table does not name.
    #[serde(default)]
    pub default_bittorrent: u64,
    /// Most of all contents together, named or not, bytes per second; nothing for what the receiver can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Most of all contents together once the table has run out, bytes per second; nothing for `total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<u64>,
    /// The table named in the report holds on, with this time to live; the other fields say nothing.
    #[serde(default)]
    pub unchanged: bool,
    /// The others.
    pub rates: Vec<SwarmRate>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wanted(links: &[&str]) -> Wanted {
        Wanted {
            links: links.iter().map(|link| link.parse().unwrap()).collect(),
            digest: None,
            size: None,
            visibility: Visibility::Public,
            variant: String::new(),
        }
    }

    #[test]
    fn key_ignores_the_order_of_links_and_nothing_else() {
        let one = wanted(&["http://a/1", "http://b/2"]);
        assert_eq!(one.key(), wanted(&["http://B/2", "http://a/1", "http://a/1"]).key());
        assert_ne!(one.key(), wanted(&["http://a/1"]).key());
        assert_ne!(one.key(), Wanted { size: Some(1), ..one.clone() }.key());
        assert_ne!(one.key(), Wanted { visibility: Visibility::Namespace("team".into()), ..one.clone() }.key());
    }
}
