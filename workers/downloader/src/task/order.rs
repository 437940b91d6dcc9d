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
use crate::source::{Proxy, Resolver, Route, SourceError};
use crate::verify::Which;

/// Sources that might come back are asked for this long without one byte from any.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What every source of this process shares.
#[derive(Clone)]
pub struct Network {
    route: Route,
    tls: Arc<rustls::ClientConfig>,
    torrents: TorrentOptions,
}

impl Network {
    /// Public addresses and those of `allowed`; the system's roots and those of `ca_file`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(allowed: Vec<IpNet>, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let (resolver, torrents) = (Resolver::new(AddressPolicy::new(allowed)), TorrentOptions::default());
        Ok(Self { route: Route::new(resolver), tls: client_config(ca_file)?, torrents })
    }

    /// How torrents are followed; `select` is each source's own.
    #[must_use]
    pub fn with_torrents(self, torrents: TorrentOptions) -> Self {
        Self { torrents, ..self }
    }

    /// Everything goes through this proxy, if there is one.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        match proxy {
            Some(_) => Self { route: self.route.through(proxy), ..self },
            None => self,
        }
    }
}

/// What the engine has to do for `task`.
///
/// # Errors
/// Headers or credentials that cannot be used.
pub fn order(task: DownloadTask, network: &Network) -> Result<Order, Failure> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    for spec in task.sources {
        let (headers, proxy) = headers(&spec)?;
        // A proxy of its own goes before that of all.
        let network = network.clone().through(proxy);
        match network.follow(&spec, headers)? {
            Ok(way) => {
                let (SourceSpec { name, link, priority, .. }, ways) = (spec, Arc::new(network));
                candidates.push(Candidate { name, link, way, priority, ways });
            }
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
    fn follow(&self, spec: &SourceSpec, headers: HeaderMap) -> Result<Result<Way, SourceError>, Failure> {
        if let Some(path) = &spec.document {
            return Ok(self.document(Path::new(path), spec));
        }
        Ok(match spec.link.scheme() {
            Scheme::Http if is_metalink(&spec.link) => {
                let source = self.http(&spec.link, headers);
                Ok(Way::Discovery(Arc::new(Metalink::new(source, spec.select.clone()))))
            }
            Scheme::Http if is_torrent(&spec.link) => {
                let source = self.http(&spec.link, headers);
                Ok(Way::Discovery(Arc::new(TorrentLink::new(source, self.torrents(spec), self.swarm()))))
            }
            Scheme::Http => Ok(Way::Source(Arc::new(self.http(&spec.link, headers)))),
            Scheme::Ftp => Ok(self.ftp(&spec.link, credentials::login(&headers)?)),
            Scheme::Ed2k => Ok(Way::Discovery(Arc::new(Ed2k::new(&spec.link)))),
            Scheme::Magnet => self.magnet(spec),
        })
    }

    /// A torrent or Metalink file that lies in the pod: a Metalink begins with `<`, anything else is read as a torrent.
    fn document(&self, path: &Path, spec: &SourceSpec) -> Result<Way, SourceError> {
        let bad = |why: String| SourceError::gone(reason::BAD_SPEC, format!("the document cannot be used: {why}"));
        let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
        if text.first() == Some(&b'<') {
            let given = Given::read(&bytes, spec.select.as_deref()).map_err(|error| bad(error.to_string()))?;
            return Ok(Way::Discovery(Arc::new(given)));
        }
        let file = Metainfo::parse(&bytes.into()).map_err(|error| bad(error.to_string()))?;
        let options = TorrentOptions { certified: true, ..self.torrents(spec) };
        Ok(Way::Discovery(Arc::new(Torrent::new(Named::File(Box::new(file)), options, self.swarm()))))
    }

    fn magnet(&self, spec: &SourceSpec) -> Result<Way, SourceError> {
        let bad = |error: MagnetError| SourceError::gone(reason::BAD_SPEC, error.to_string());
        let named = Named::Magnet(spec.link.url().as_str().parse().map_err(bad)?);
        Ok(Way::Discovery(Arc::new(Torrent::new(named, self.torrents(spec), self.swarm()))))
    }

    /// A torrent whose file the user gave, so that nothing else needs to prove it.
    #[must_use]
    pub fn torrent(&self, file: Named, select: Option<String>) -> Way {
        let options = TorrentOptions { select, certified: true, ..self.torrents.clone() };
        Way::Discovery(Arc::new(Torrent::new(file, options, self.swarm())))
    }

    fn torrents(&self, spec: &SourceSpec) -> TorrentOptions {
        TorrentOptions { select: spec.select.clone(), ..self.torrents.clone() }
    }

    fn swarm(&self) -> Swarm {
        Swarm { route: self.route.clone(), tls: Arc::clone(&self.tls) }
    }

    fn http(&self, link: &Link, headers: HeaderMap) -> HttpSource {
        HttpSource::new(link.url().clone(), headers, self.route.clone(), Arc::clone(&self.tls))
    }

    fn ftp(&self, link: &Link, login: Login) -> Way {
        let source = FtpSource::new(link.url().clone(), login, self.route.clone(), Arc::clone(&self.tls));
        Way::Source(Arc::new(source))
    }
}

impl Ways for Network {
    fn way(&self, link: &Link, _: i32) -> Result<Way, SourceError> {
        match link.scheme() {
            // One description leads to sources, not to more descriptions without end.
            Scheme::Http if is_metalink(link) || is_torrent(link) => Err(not_followed(link)),
            // Links that others name get no credentials of the user's.
            Scheme::Http => Ok(Way::Source(Arc::new(self.http(link, HeaderMap::new())))),
            Scheme::Ftp => Ok(self.ftp(link, Login::default())),
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
            network.follow(&spec, HeaderMap::new()).unwrap()
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
