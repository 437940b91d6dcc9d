//! From the operator's order to the engine's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::link::Scheme;
use videocloud_protocol::task::{DownloadTask, SourceReport, SourceSpec, SourceState};

use super::credentials;
use crate::engine::{Candidate, Order};
use crate::schedule::Settings;
use crate::source::Resolver;
use crate::source::address::AddressPolicy;
use crate::source::http::{HttpSource, TlsError, client_config};

/// Sources that might come back are asked for this long without one byte from any.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What every source of this process shares.
pub struct Network {
    resolver: Resolver,
    tls: Arc<rustls::ClientConfig>,
}

impl Network {
    /// Public addresses and those of `allowed`; the system's roots and those of `ca_file`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(allowed: Vec<IpNet>, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        Ok(Self { resolver: Resolver::new(AddressPolicy::new(allowed)), tls: client_config(ca_file)? })
    }
}

/// What the engine has to do for `task`.
///
/// # Errors
/// Headers or credentials that cannot be used.
pub fn order(task: DownloadTask, network: &Network) -> Result<Order, Failure> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    for spec in task.sources {
        if spec.link.scheme() == Scheme::Http {
            candidates.push(candidate(spec, network)?);
        } else {
            refused.push(unsupported(spec));
        }
    }
    let patience = PATIENCE.min(Duration::from_secs(task.limits.progress_deadline_seconds));
    let per_host = usize::try_from(task.limits.connections_per_host).unwrap_or(usize::MAX).max(1);
    Ok(Order {
        key: task.key,
        candidates,
        refused,
        digest: task.digest,
        size: task.size,
        visibility: task.visibility,
        any_content: task.any_content,
        known: task.known,
        limits: task.limits,
        patience,
        settings: Settings { lanes_per_host: per_host, ..Settings::default() },
    })
}

fn candidate(spec: SourceSpec, network: &Network) -> Result<Candidate, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &spec.headers {
        let bad = || {
            let message = format!("failed to use header {name:?} of source {}: it is no valid header", spec.name);
            Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message)
        };
        let name = HeaderName::try_from(name).map_err(|_| bad())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    if let Some(folder) = &spec.credentials {
        credentials::read(Path::new(folder), &mut headers)?;
    }
    let source = HttpSource::new(spec.link.url().clone(), headers, network.resolver.clone(), Arc::clone(&network.tls));
    Ok(Candidate { name: spec.name, link: spec.link, source: Arc::new(source), priority: spec.priority })
}

fn unsupported(spec: SourceSpec) -> SourceReport {
    SourceReport {
        name: spec.name,
        link: spec.link,
        state: SourceState::Failed,
        reason: Some(reason::UNSUPPORTED_SOURCE.to_owned()),
        message: Some("This version fetches from http:// and https:// links only.".to_owned()),
        bytes: 0,
        etag: None,
        last_modified: None,
    }
}
