//! From the operator's order to the engine's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::link::{Link, Scheme};
use videocloud_protocol::task::{DownloadLimits, DownloadTask, SourceReport, SourceSpec, SourceState};
use videocloud_protocol::torrent::{MagnetError, Metainfo};
use videocloud_protocol::tracker::HostShare;

use super::credentials;
use crate::discover::ed2k::Ed2k;
use crate::discover::metalink::{Given, Metalink};
use crate::engine::{Candidate, Hosts, Order, Way, Ways};
use crate::schedule::Settings;
use crate::source::address::AddressPolicy;
use crate::source::bittorrent::{Named, Network as Swarm, Options as TorrentOptions, Torrent, TorrentLink};
use crate::source::ftp::{FtpSource, Login};
use crate::source::http::{HttpSource, TlsError, client_config};
use crate::source::{Proxy, Resolver, SourceError};
use crate::verify::Which;

/// Sources that might come back are asked for this long without one byte from any.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What every source of this process shares.
#[derive(Clone)]
pub struct Network {
    resolver: Resolver,
    tls: Arc<rustls::ClientConfig>,
    torrents: TorrentOptions,
    proxy: Option<Proxy>,
}

impl Network {
    /// Public addresses and those of `allowed`; the system's roots and those of `ca_file`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(allowed: Vec<IpNet>, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let (resolver, torrents) = (Resolver::new(AddressPolicy::new(allowed)), TorrentOptions::default());
        Ok(Self { resolver, tls: client_config(ca_file)?, torrents, proxy: None })
    }

    /// How torrents are followed; `select` is each source's own.
    #[must_use]
    pub fn with_torrents(self, torrents: TorrentOptions) -> Self {
        Self { torrents, ..self }
    }

    /// Sources that name no proxy of their own go through this one.
    #[must_use]
    pub fn through(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }
}

/// What the engine has to do for `task`.
///
/// # Errors
/// Headers or credentials that cannot be used.
pub fn order(task: DownloadTask, network: &Network) -> Result<Order, Failure> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    for spec in task.sources {
        match network.follow(&spec)? {
            Ok(way) => candidates.push(Candidate { name: spec.name, link: spec.link, way, priority: spec.priority }),
            Err(error) => refused.push(unsupported(spec, &error)),
        }
    }
    let hashes = task.digest.as_ref().map_or(Which::ALL, |digest| Which::ALL.and(digest.algorithm()));
    let patience = PATIENCE.min(Duration::from_secs(task.limits.progress_deadline_seconds));
    let shared_requests = task.limits.shared.as_ref().and_then(|shared| shared.requests_per_second);
    let per_host = usize::try_from(task.limits.connections_per_host).unwrap_or(usize::MAX).max(1);
    let settings = if task.while_downloading { Settings::for_playback() } else { Settings::default() };
    Ok(Order {
        key: task.key,
        candidates,
        refused,
        digest: task.digest,
        size: task.size,
        visibility: task.visibility,
        hashes,
        agreement: true,
        ways: Arc::new(network.clone()),
        hosts: hosts(&task.limits),
        any_content: task.any_content,
        known: task.known,
        limits: task.limits,
        patience,
        shown: task.while_downloading,
        settings: Settings { lanes_per_host: per_host, ..settings }.with_requests(shared_requests),
    })
}

/// What a download may ask of each host: shares of what all may ask, if that is limited.
fn hosts(limits: &DownloadLimits) -> Hosts {
    let own = HostShare { connections: limits.connections_per_host.max(1), ..HostShare::default() };
    match limits.shared {
        Some(_) => Hosts::shared(own),
        None => Hosts::alone(own),
    }
}

impl Network {
    /// What a source of an order leads to; inside, why it is not followed.
    fn follow(&self, spec: &SourceSpec) -> Result<Result<Way, SourceError>, Failure> {
        let (headers, proxy) = headers(spec)?;
        let proxy = proxy.or_else(|| self.proxy.clone());
        if let Some(path) = &spec.document {
            return Ok(self.document(Path::new(path), spec, proxy.as_ref()));
        }
        Ok(match spec.link.scheme() {
            Scheme::Http if is_metalink(&spec.link) => {
                let source = self.http(&spec.link, headers, proxy);
                Ok(Way::Discovery(Arc::new(Metalink::new(source, spec.select.clone()))))
            }
            Scheme::Http if is_torrent(&spec.link) => match self.swarm(proxy.as_ref()) {
                Ok(swarm) => {
                    let source = self.http(&spec.link, headers, proxy);
                    Ok(Way::Discovery(Arc::new(TorrentLink::new(source, self.torrents(spec), swarm))))
                }
                Err(error) => Err(error),
            },
            Scheme::Http => Ok(Way::Source(Arc::new(self.http(&spec.link, headers, proxy)))),
            Scheme::Ftp => self.ftp(&spec.link, credentials::login(&headers)?, proxy.as_ref()),
            Scheme::Ed2k => Ok(Way::Discovery(Arc::new(Ed2k::new(&spec.link)))),
            Scheme::Magnet => self.magnet(spec, proxy.as_ref()),
        })
    }

    /// A torrent or Metalink file that lies in the pod: a Metalink begins with `<`, anything else is read as a torrent.
    fn document(&self, path: &Path, spec: &SourceSpec, proxy: Option<&Proxy>) -> Result<Way, SourceError> {
        let bad = |why: String| SourceError::gone(reason::BAD_SPEC, format!("the document cannot be used: {why}"));
        let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
        if text.first() == Some(&b'<') {
            let given = Given::read(&bytes, spec.select.as_deref()).map_err(|error| bad(error.to_string()))?;
            return Ok(Way::Discovery(Arc::new(given)));
        }
        let file = Metainfo::parse(&bytes.into()).map_err(|error| bad(error.to_string()))?;
        let options = TorrentOptions { certified: true, ..self.torrents(spec) };
        Ok(Way::Discovery(Arc::new(Torrent::new(Named::File(Box::new(file)), options, self.swarm(proxy)?))))
    }

    fn magnet(&self, spec: &SourceSpec, proxy: Option<&Proxy>) -> Result<Way, SourceError> {
        let bad = |error: MagnetError| SourceError::gone(reason::BAD_SPEC, error.to_string());
        let named = Named::Magnet(spec.link.url().as_str().parse().map_err(bad)?);
        Ok(Way::Discovery(Arc::new(Torrent::new(named, self.torrents(spec), self.swarm(proxy)?))))
    }

    /// A torrent whose file the user gave, so that nothing else needs to prove it.
    ///
    /// # Errors
    /// A proxy is set, through which torrents do not go.
    pub fn torrent(&self, file: Named, select: Option<String>) -> Result<Way, SourceError> {
        let options = TorrentOptions { select, certified: true, ..self.torrents.clone() };
        Ok(Way::Discovery(Arc::new(Torrent::new(file, options, self.swarm(self.proxy.as_ref())?))))
    }

    fn torrents(&self, spec: &SourceSpec) -> TorrentOptions {
        TorrentOptions { select: spec.select.clone(), ..self.torrents.clone() }
    }

    fn swarm(&self, proxy: Option<&Proxy>) -> Result<Swarm, SourceError> {
        if proxy.is_some() {
            // Peers and the DHT would see whom the proxy hides.
            return Err(SourceError::gone(reason::UNSUPPORTED_SOURCE, "torrents do not go through a proxy"));
        }
        Ok(Swarm { resolver: self.resolver.clone(), tls: Arc::clone(&self.tls) })
    }

    fn http(&self, link: &Link, headers: HeaderMap, proxy: Option<Proxy>) -> HttpSource {
        HttpSource::new(link.url().clone(), headers, self.resolver.clone(), Arc::clone(&self.tls)).through(proxy)
    }

    fn ftp(&self, link: &Link, login: Login, proxy: Option<&Proxy>) -> Result<Way, SourceError> {
        if proxy.is_some() {
            // To go around it would be worse than not to go.
            return Err(SourceError::gone(reason::UNSUPPORTED_SOURCE, "ftp links do not go through a proxy"));
        }
        let source = FtpSource::new(link.url().clone(), login, self.resolver.clone(), Arc::clone(&self.tls));
        Ok(Way::Source(Arc::new(source)))
    }
}

impl Ways for Network {
    fn way(&self, link: &Link, _: i32) -> Result<Way, SourceError> {
        match link.scheme() {
            // One description leads to sources, not to more descriptions without end.
            Scheme::Http if is_metalink(link) || is_torrent(link) => Err(not_followed(link)),
            // Links that others name get no credentials of the user's.
            Scheme::Http => Ok(Way::Source(Arc::new(self.http(link, HeaderMap::new(), self.proxy.clone())))),
            Scheme::Ftp => self.ftp(link, Login::default(), self.proxy.as_ref()),
            Scheme::Magnet | Scheme::Ed2k => Err(not_followed(link)),
        }
    }
}

fn is_metalink(link: &Link) -> bool {
    let path = link.url().path().to_ascii_lowercase();
    path.ends_with(".meta4") || path.ends_with(".metalink")
}

fn is_torrent(link: &Link) -> bool {
    link.url().path().to_ascii_lowercase().ends_with(".torrent")
}

fn not_followed(link: &Link) -> SourceError {
    SourceError::gone(reason::UNSUPPORTED_SOURCE, format!("links of {} are not followed", link.url().scheme()))
}

fn headers(spec: &SourceSpec) -> Result<(HeaderMap, Option<Proxy>), Failure> {
    let (mut headers, mut proxy) = (HeaderMap::new(), None);
    for (name, value) in &spec.headers {
        let bad = || {
            let message = format!("failed to use header {name:?} of source {}: it is no valid header", spec.name);
            Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message)
        };
        let name = HeaderName::try_from(name).map_err(|_| bad())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    if let Some(folder) = &spec.credentials {
        proxy = credentials::read(Path::new(folder), &mut headers)?;
    }
    Ok((headers, proxy))
}

fn unsupported(spec: SourceSpec, error: &SourceError) -> SourceReport {
    SourceReport {
        name: spec.name,
        link: spec.link,
        state: SourceState::Failed,
        reason: Some(error.reason.to_owned()),
        message: Some(error.message.clone()),
        bytes: 0,
        etag: None,
        last_modified: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_document_in_the_pod_is_followed_in_place_of_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::new(Vec::new(), None).unwrap();
        let follow = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let spec = SourceSpec {
                name: "d".to_owned(),
                link: "magnet:?xt=urn:x-document:00".parse().unwrap(),
                document: Some(path.to_str().unwrap().to_owned()),
                select: None,
                headers: Vec::new(),
                priority: 100,
                credentials: None,
            };
            network.follow(&spec).unwrap()
        };
        let metalink = br#"<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">
            <file name="a.mp4"><size>5</size><url>http://a.example/a.mp4</url></file></metalink>"#;
        assert!(matches!(follow("document", metalink), Ok(Way::Discovery(_))));
        for (name, bytes) in [("torrent", &b"d4:infoe"[..]), ("xml", b"<metalink>"), ("empty", b"")] {
            let error = follow(name, bytes).err().unwrap();
            assert_eq!(error.reason, reason::BAD_SPEC, "{name}: {error}");
        }
    }
}
