//! TCP with or without TLS, for control and data connections alike.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error as TlsFault};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use url::Host;
use videocloud_protocol::failure::reason;

use crate::source::SourceError;

/// How long a TLS handshake may take; it also waits for a server that looks up names before it greets.
const TLS_TIMEOUT: Duration = Duration::from_secs(15);

/// An open connection.
pub(super) type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Why TLS did not begin.
pub(super) enum Unsafe {
    /// The other side spoke in clear where a handshake was due.
    Clear,
    Failed(SourceError),
}

/// The configuration of one control connection and its data connections. Servers may ask that data connections resume the
/// session of their control connection (vsftpd does), so sessions are kept per lane; and there is no protocol to agree on.
pub(super) fn session(shared: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = shared.clone();
    config.alpn_protocols.clear();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// Makes a connection private. The certificate must be for `host`.
pub(super) async fn secure(tcp: TcpStream, host: &Host<String>, tls: &Arc<ClientConfig>) -> Result<Wire, Unsafe> {
    let failed = |why: String| format!("failed to set up TLS with {host}: {why}");
    let gone = |why: String| Unsafe::Failed(SourceError::gone(reason::TLS_FAILED, failed(why)));
    let transient = |why: String| Unsafe::Failed(SourceError::transient(reason::TLS_FAILED, failed(why)));
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(ip) => Some(ServerName::from(std::net::IpAddr::V4(*ip))),
        Host::Ipv6(ip) => Some(ServerName::from(std::net::IpAddr::V6(*ip))),
    };
    let name = name.ok_or_else(|| gone("its name cannot be in a certificate".into()))?;
    match tokio::time::timeout(TLS_TIMEOUT, TlsConnector::from(Arc::clone(tls)).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Either::Right(Box::new(stream))),
        Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsFault>()) {
            Some(TlsFault::InvalidMessage(_)) => Err(Unsafe::Clear),
            // A certificate does not become right by waiting; a broken connection may.
            Some(_) => Err(gone(error.to_string())),
            None => Err(transient(error.to_string())),
        },
        Err(_) => Err(transient("no answer in time".into())),
    }
}
