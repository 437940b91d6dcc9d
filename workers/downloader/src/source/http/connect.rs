//! From a URL to an open HTTP connection: resolve, check, connect, TLS, handshake.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use videocloud_protocol::failure::reason;

use super::Shared;
use crate::source::SourceError;

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest single read: it grows to this while reads fill it.
const READ_BUFFER: usize = 1 << 20;
/// HTTP/2 receive window of a stream and of the connection: a lane is one stream, so both are alike.
const WINDOW: u32 = 8 << 20;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// An open connection to one origin. Its protocol machine runs only while the lane waits for something, in the lane's own task:
/// no second task, no hand-over of bytes between threads.
pub(super) struct Wire {
    origin: String,
    sender: Sender,
    machine: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Wire {
    /// Connects to the origin of `url`.
    pub(super) async fn open(shared: &Shared, url: &Url) -> Result<Self, SourceError> {
        let host =
            url.host().ok_or_else(|| SourceError::gone(reason::BAD_SPEC, "failed to connect: no host in the link"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let tcp = match &shared.proxy {
            None => dial(&host, &shared.resolver.addresses(host.clone(), port).await?).await?,
            Some(proxy) => {
                // An address in the link is judged; a name is resolved by the proxy, in its own network.
                if !matches!(host, Host::Domain(_)) {
                    shared.resolver.addresses(host.clone(), port).await?;
                }
                let addresses = shared.resolver.addresses(proxy.host(), proxy.port()).await?;
                let mut tcp = dial(&proxy.host(), &addresses).await?;
                proxy.pass(&mut tcp, &host, port).await?;
                tcp
            }
        };
        if url.scheme() != "https" {
            return Self::handshake(url, Box::new(tcp), false).await;
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
            Host::Ipv4(ip) => Some(ServerName::from(std::net::IpAddr::V4(ip))),
            Host::Ipv6(ip) => Some(ServerName::from(std::net::IpAddr::V6(ip))),
        };
        let failed = |why: String| {
            let message = format!("failed to set up TLS with {host}: {why}");
            SourceError::gone(reason::TLS_FAILED, message)
        };
        let name = name.ok_or_else(|| failed("its name cannot be in a certificate".into()))?;
        let connecting = TlsConnector::from(Arc::clone(&shared.tls)).connect(name, tcp);
        let tls = match tokio::time::timeout(TLS_TIMEOUT, connecting).await {
            Ok(Ok(tls)) => tls,
            // A certificate does not become right by waiting; a broken connection may.
            Ok(Err(error)) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                return Err(failed(error.to_string()));
            }
            Ok(Err(error)) => {
                return Err(SourceError::transient(reason::TLS_FAILED, failed(error.to_string()).message));
            }
            Err(_) => {
                return Err(SourceError::transient(reason::TLS_FAILED, failed("no answer in time".into()).message));
            }
        };
        let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Self::handshake(url, Box::new(tls), http2).await
    }

    async fn handshake(url: &Url, io: Box<dyn Io>, http2: bool) -> Result<Self, SourceError> {
        let failed = |error: hyper::Error| unreachable_host(url, &error);
        let io = TokioIo::new(io);
        let (sender, machine): (_, Pin<Box<dyn Future<Output = ()> + Send>>) = if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW).max_frame_size(256 << 10);
            let (sender, machine) = builder.handshake(io).await.map_err(failed)?;
            (Sender::Http2(sender), Box::pin(async move { drop(machine.await) }))
        } else {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(READ_BUFFER);
            let (sender, machine) = builder.handshake(io).await.map_err(failed)?;
            (Sender::Http1(sender), Box::pin(async move { drop(machine.await) }))
        };
        Ok(Self { origin: origin(url), sender, machine: Some(machine) })
    }

    /// Whether a request for `url` can go over this connection.
    pub(super) fn serves(&self, url: &Url) -> bool {
        let closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        };
        self.machine.is_some() && !closed && self.origin == origin(url)
    }

    /// True when requests carry an absolute URI (HTTP/2 has no Host header of its own).
    pub(super) fn wants_absolute(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let machine = &mut self.machine;
        match &mut self.sender {
            Sender::Http1(sender) => {
                run(machine, sender.ready()).await?;
                run(machine, sender.send_request(request)).await
            }
            Sender::Http2(sender) => {
                run(machine, sender.ready()).await?;
                run(machine, sender.send_request(request)).await
            }
        }
    }

    /// Waits for `future` while the protocol machine runs.
    pub(super) async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        run(&mut self.machine, future).await
    }
}

async fn run<F: Future>(machine: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        if machine.as_mut().is_some_and(|machine| machine.as_mut().poll(context).is_ready()) {
            *machine = None;
        }
        future.as_mut().poll(context)
    })
    .await
}

/// Connects to the first of `addresses` that accepts.
pub(in crate::source) async fn dial(host: &Host<&str>, addresses: &[SocketAddr]) -> Result<TcpStream, SourceError> {
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

/// A connection that broke: it may work again.
pub(super) fn unreachable_host(url: &Url, error: &hyper::Error) -> SourceError {
    let host = url.host_str().unwrap_or_default();
    let fault_of_peer = error.is_parse() || error.is_parse_too_large() || error.is_parse_status();
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    let message = format!("failed to talk to {host}: {error}{cause}");
    SourceError::transient(if fault_of_peer { reason::PROTOCOL_ERROR } else { reason::UNREACHABLE }, message)
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
