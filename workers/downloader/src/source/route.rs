//! How hosts are reached over TCP: by themselves, or through a proxy. Every connection of every protocol begins here.
//!
//! The way knows the address policy and asks it before anything is connected to: of a host that is reached by itself every
//! address is judged, of one behind a proxy the proxy's, and the one in the link if it is no name. UDP knows no proxy; who
//! speaks it asks [`Route::direct`] first.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use url::Host;
use videocloud_protocol::failure::reason;

use super::{Proxy, Resolver, SourceError};

/// How long one address may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module documentation.
#[derive(Clone, Debug, Default)]
pub struct Route {
    resolver: Resolver,
    proxy: Option<Proxy>,
}

impl Route {
    /// By themselves.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver, proxy: None }
    }

    /// The same through `proxy`, if there is one.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// Who resolves and judges addresses that are spoken to without a proxy; nobody where there is one, for it is there so that
    /// nothing goes around it.
    #[must_use]
    pub fn direct(&self) -> Option<&Resolver> {
        self.proxy.is_none().then_some(&self.resolver)
    }

    /// Whether `address`, which no name led to, may be connected to.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.resolver.permits(address)
    }

    /// A connection to `host`.
    ///
    /// # Errors
    /// [`SourceError`] when it does not resolve, may not be connected to, or is not reached.
    pub async fn connect(&self, host: &Host<&str>, port: u16) -> Result<TcpStream, SourceError> {
        let Some(proxy) = &self.proxy else {
            return dial(host, &self.resolver.addresses(host.clone(), port).await?).await;
        };
        // An address in the link is judged; a name is resolved by the proxy, in its own network.
        if !matches!(host, Host::Domain(_)) {
            self.resolver.addresses(host.clone(), port).await?;
        }
        let addresses = self.resolver.addresses(proxy.host(), proxy.port()).await?;
        let mut tcp = dial(&proxy.host(), &addresses).await?;
        proxy.pass(&mut tcp, host, port).await?;
        Ok(tcp)
    }

    /// A connection to `address`, which is judged as those of a host are.
    ///
    /// # Errors
    /// As [`Route::connect`].
    pub async fn connect_to(&self, address: SocketAddr) -> Result<TcpStream, SourceError> {
        let host = match address.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        self.connect(&host, address.port()).await
    }
}

/// Connects to the first of `addresses` that accepts.
async fn dial(host: &Host<&str>, addresses: &[SocketAddr]) -> Result<TcpStream, SourceError> {
    let mut last = String::from("no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, "failed to set TCP_NODELAY");
                }
                return Ok(tcp);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer in time".into(),
        }
    }
    Err(SourceError::transient(reason::UNREACHABLE, format!("failed to connect to {host}: {last}")))
}
