//! From a URL's host to the addresses that may be connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use url::Host;
use videocloud_protocol::failure::reason;

use super::SourceError;
use super::address::AddressPolicy;

/// How long a name may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Resolves names and drops every address the policy refuses. What it returns is connected to as it is, so a name that
/// resolves differently a moment later gains nothing.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    policy: Arc<AddressPolicy>,
}

impl Resolver {
    /// A resolver that lets through what `policy` allows.
    #[must_use]
    pub fn new(policy: AddressPolicy) -> Self {
        Self { policy: Arc::new(policy) }
    }

    /// Whether `address`, which no name led to, may be connected to.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.policy.refusal(address).is_none()
    }

    /// Addresses of `host` that may be connected to, at least one.
    ///
    /// # Errors
    /// `NameNotResolved` when there is none, `AddressForbidden` when all are refused.
    pub async fn addresses(&self, host: Host<&str>, port: u16) -> Result<Vec<SocketAddr>, SourceError> {
        let found: Vec<SocketAddr> = match host {
            Host::Ipv4(v4) => vec![(IpAddr::V4(v4), port).into()],
            Host::Ipv6(v6) => vec![(IpAddr::V6(v6), port).into()],
            Host::Domain(name) => lookup(name, port).await?,
        };
        let (allowed, refused): (Vec<_>, Vec<_>) =
            found.into_iter().map(|at| (at, self.policy.refusal(at.ip()))).partition(|(_, refusal)| refusal.is_none());
        match (allowed.is_empty(), refused.first()) {
            (true, Some((at, Some(what)))) => Err(SourceError::gone(
                reason::ADDRESS_FORBIDDEN,
                format!(
                    "failed to connect to {host}: its address {} is not public ({what}); allow its network in the operator's \
                     configuration (--allow-network) if that is meant",
                    at.ip()
                ),
            )),
            _ => Ok(allowed.into_iter().map(|(at, _)| at).collect()),
        }
    }
}

async fn lookup(name: &str, port: u16) -> Result<Vec<SocketAddr>, SourceError> {
    let failed = |why: String| {
        let message = format!("failed to resolve {name}: {why}; check the host name of the link");
        SourceError::transient(reason::NAME_NOT_RESOLVED, message)
    };
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((name, port))).await;
    let found: Vec<SocketAddr> =
        found.map_err(|_| failed("no answer in time".into()))?.map_err(|error| failed(error.to_string()))?.collect();
    if found.is_empty() {
        return Err(failed("it has no address".into()));
    }
    Ok(found)
}
