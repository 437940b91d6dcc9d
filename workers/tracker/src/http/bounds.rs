//! How much a request may hold, beside its size: lengths of lists and texts, ranges of numbers.

use std::collections::HashSet;

use videocloud_protocol::{
    content::{ContentManifest, Visibility},
    failure::Failure,
    publication::Publication,
    rendition::RenditionSummary,
    task::{Outcome, PlanOutcome, Progress, SourceReport, TaskResult},
    tracker::{
        ClaimOwner, ClaimRequest, ClaimSync, HostShare, HostsRequest, ModelSnapshot, PoolTable, RenditionsRequest,
        UploaderReport, Wanted,
    },
};

/// A request that can say whether it is within bounds.
pub trait Bounded {
    /// # Errors
    /// Which bound it breaks.
    fn check(&self) -> Result<(), String>;
}

fn list(what: &str, length: usize, most: usize) -> Result<(), String> {
    if length <= most { Ok(()) } else { Err(format!("{what}: {length} entries, at most {most} are taken")) }
}

fn text(what: &str, text: &str, most: usize) -> Result<(), String> {
    // NUL cannot be stored by PostgreSQL.
    if text.len() <= most && !text.contains('\0') {
        Ok(())
    } else {
        Err(format!("{what}: longer than {most} bytes, or holds a NUL"))
    }
}

fn optional(what: &str, value: Option<&String>, most: usize) -> Result<(), String> {
    value.map_or(Ok(()), |value| text(what, value, most))
}

/// A Kubernetes name, or the like: what may stand in a path.
pub(crate) fn name(what: &str, value: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if (1..=253).contains(&value.len()) && value.bytes().all(plain) {
        Ok(())
    } else {
        Err(format!("{what}: expected 1 to 253 letters, digits, '-', '.' or '_'"))
    }
}

fn size(what: &str, bytes: u64) -> Result<(), String> {
    if bytes <= i64::MAX as u64 { Ok(()) } else { Err(format!("{what}: {bytes} is past the largest size")) }
}

fn visibility(visibility: &Visibility) -> Result<(), String> {
    match visibility {
        Visibility::Public => Ok(()),
        Visibility::Namespace(namespace) => name("visibility.Namespace", namespace),
    }
}

fn owner(owner: &ClaimOwner) -> Result<(), String> {
    name("owner.uid", &owner.uid)?;
    name("owner.namespace", &owner.namespace)?;
    name("owner.name", &owner.name)
}

fn wanted(wanted: &Wanted) -> Result<(), String> {
    list("wanted.links", wanted.links.len(), 256)?;
    text("wanted.variant", &wanted.variant, 64 << 10)?;
    wanted.size.map_or(Ok(()), |bytes| size("wanted.size", bytes))?;
    visibility(&wanted.visibility)
}

fn sources(sources: &[SourceReport]) -> Result<(), String> {
    list("sources", sources.len(), 512)?;
    for source in sources {
        text("sources.name", &source.name, 253)?;
        optional("sources.reason", source.reason.as_ref(), 128)?;
        optional("sources.message", source.message.as_ref(), 4096)?;
        optional("sources.etag", source.etag.as_ref(), 1024)?;
        optional("sources.lastModified", source.last_modified.as_ref(), 128)?;
    }
    Ok(())
}

fn manifest(manifest: &ContentManifest) -> Result<(), String> {
    size("content.size", manifest.size)?;
    text("content.mime", &manifest.mime, 128)?;
    visibility(&manifest.visibility)?;
    let hashes = &manifest.hashes;
    let all =
        [&hashes.sha1, &hashes.blake3, &hashes.ed2k, &hashes.info_hash_v1, &hashes.info_hash_v2, &hashes.three_chunk];
    all.into_iter().flatten().try_for_each(|hash| {
        let hex = hash.len() <= 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex { Ok(()) } else { Err("content.hashes: expected at most 64 lower-case hex digits each".to_owned()) }
    })
}

fn renditions(renditions: &[RenditionSummary]) -> Result<(), String> {
    list("renditions", renditions.len(), 64)?;
    renditions.iter().try_for_each(|rendition| text("renditions.settings.name", &rendition.settings.name, 253))
}

fn failure(failure: &Failure) -> Result<(), String> {
    text("failure.reason", &failure.reason, 128)?;
    text("failure.message", &failure.message, 4 * Failure::MAX_MESSAGE)
}

impl Bounded for ClaimRequest {
    fn check(&self) -> Result<(), String> {
        owner(&self.owner)?;
        wanted(&self.wanted)?;
        match &self.wanted.visibility {
            Visibility::Namespace(namespace) if *namespace != self.owner.namespace => {
                Err("wanted.visibility: names another namespace than its owner's".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Bounded for ClaimSync {
    fn check(&self) -> Result<(), String> {
        list("claims", self.claims.len(), 200_000)?;
        self.claims.iter().try_for_each(|claim| owner(&claim.owner))
    }
}

impl Bounded for Progress {
    fn check(&self) -> Result<(), String> {
        text("stage", &self.stage, 64)?;
        sources(&self.sources)
    }
}

impl Bounded for HostsRequest {
    fn check(&self) -> Result<(), String> {
        list("hosts", self.hosts.len(), Self::MOST)?;
        let mut seen = HashSet::new();
        for used in &self.hosts {
            text("hosts.host", &used.host, 300)?;
            if !seen.insert(used.host.as_str()) {
                return Err(format!("hosts: {:?} is named twice", used.host));
            }
            rates("hosts.limits", used.limits, true)?;
            rates("hosts.wants", used.wants, true)?;
            rates("hosts.holds", used.holds, false)?;
        }
        Ok(())
    }
}

fn rates(what: &str, share: HostShare, positive: bool) -> Result<(), String> {
    let bad = |rate: f64| !(rate.is_finite() && rate >= 0.0) || positive && rate <= 0.0;
    if positive && share.connections == 0 {
        return Err(format!("{what}.connections: at least 1"));
    }
    match [share.requests_per_second, share.bytes_per_second].into_iter().flatten().find(|rate| bad(*rate)) {
        Some(rate) => Err(format!("{what}: {rate} is no rate")),
        None => Ok(()),
    }
}

impl Bounded for TaskResult {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Succeeded(Outcome::Download(outcome)) => {
                manifest(&outcome.content)?;
                sources(&outcome.sources)
            }
            Self::Succeeded(Outcome::Plan(PlanOutcome::Done(outcome)) | Outcome::Finish(outcome)) => {
                renditions(&outcome.renditions)
            }
            Self::Succeeded(Outcome::Plan(PlanOutcome::Chunks { .. }) | Outcome::Chunk(_)) => Ok(()),
            Self::Failed { failure: why, sources: reports } => {
                failure(why)?;
                sources(reports)
            }
        }
    }
}

impl Bounded for RenditionsRequest {
    fn check(&self) -> Result<(), String> {
        list("keys", self.keys.len(), 1000)?;
        list("sources", self.sources.len(), 100)
    }
}

impl Bounded for Publication {
    fn check(&self) -> Result<(), String> {
        name("uid", &self.uid)?;
        list("renditions", self.renditions.len(), 64)?;
        self.renditions.iter().try_for_each(|rendition| name("renditions.name", &rendition.name))
    }
}

impl Bounded for UploaderReport {
    fn check(&self) -> Result<(), String> {
        list("swarms", self.swarms.len(), 100_000)?;
        list("bittorrent", self.bittorrent.len(), 4)?;
        optional("endpoint", self.endpoint.as_ref(), 2048)?;
        cluster(&self.cluster)
    }
}

fn cluster(value: &str) -> Result<(), String> {
    if value.is_empty() { Ok(()) } else { name("cluster", value) }
}

impl Bounded for PoolTable {
    fn check(&self) -> Result<(), String> {
        size("generation", self.generation)?;
        list("rates", self.rates.len(), 1_000_000)?;
        if self.ttl_seconds > 3600 {
            return Err("ttlSeconds: at most 3600".to_owned());
        }
        let mut seen = HashSet::with_capacity(self.rates.len());
        for rate in &self.rates {
            cluster(&rate.cluster)?;
            if !seen.insert((rate.content, rate.cluster.as_str())) {
                return Err(format!("rates: content {} is named twice in a cluster", rate.content));
            }
        }
        Ok(())
    }
}

impl Bounded for ModelSnapshot {
    fn check(&self) -> Result<(), String> {
        size("generation", self.generation)?;
        text("body", &self.body, 64 << 20)
    }
}
