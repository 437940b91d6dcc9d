//! From a URL to an open HTTP connection: resolve, check, connect, TLS, handshake.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use videocloud_protocol::failure::reason;

use super::Shared;
use super::plain::{Blocks, Plain};
use crate::source::SourceError;

/// How long the TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest single read: it grows to this while reads fill it.
const READ_BUFFER: usize = 1 << 20;
/// HTTP/2 receive window of a stream and of the connection: a lane is one stream, so both are alike.
const WINDOW: u32 = 8 << 20;

/// Bodies shorter than this are read by hyper, whose buffer they fit into.
const WORTH: u64 = 256 << 10;

/// A byte stream, encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

type Http1 = http1::Connection<TokioIo<Box<dyn Io>>, Empty<Bytes>>;

/// What speaks the protocol.
enum Machine {
    Http1(Box<Http1>),
    Http2(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// It has nothing more to say, or its connection was taken from it.
    Ended,
}

impl Machine {
    fn run(&mut self, context: &mut Context<'_>) {
        let ended = match self {
            Self::Http1(machine) => Pin::new(machine.as_mut()).poll(context).is_ready(),
            Self::Http2(machine) => machine.as_mut().poll(context).is_ready(),
            Self::Ended => false,
        };
        if ended {
            *self = Self::Ended;
        }
    }
}

/// The body of an answer.
pub(super) enum Body {
    /// Its parts are told apart by hyper.
    Framed(Incoming),
    /// Its length was said.
    Plain(Box<Plain>),
}

/// An open connection to one origin. Its protocol machine runs only while the lane waits for something, in the lane's own task:
/// no second task, no hand-over of bytes between threads.
pub(super) struct Wire {
    origin: String,
    sender: Sender,
    machine: Machine,
    blocks: Blocks,
}

impl Wire {
    /// Connects to the origin of `url`.
    pub(super) async fn open(shared: &Shared, url: &Url) -> Result<Self, SourceError> {
        let host =
            url.host().ok_or_else(|| SourceError::gone(reason::BAD_SPEC, "failed to connect: no host in the link"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let tcp = shared.route.connect(&host, port).await?;
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
        let (sender, machine) = if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW).max_frame_size(256 << 10);
            let (sender, machine) = builder.handshake(TokioIo::new(io)).await.map_err(failed)?;
            (Sender::Http2(sender), Machine::Http2(Box::pin(async move { drop(machine.await) })))
        } else {
            first_version(io).await.map_err(failed)?
        };
        Ok(Self { origin: origin(url), sender, machine, blocks: Blocks::default() })
    }

    /// The body of the answer that came last, whose first byte is the one `at` that place in the file. One that is long and of known
    /// length is taken out of hyper's hands.
    pub(super) async fn body(&mut self, mut body: Incoming, at: u64) -> Body {
        let length = body.size_hint().exact().filter(|length| *length >= WORTH);
        let (Some(length), Machine::Http1(_)) = (length, &self.machine) else { return Body::Framed(body) };
        let Machine::Http1(machine) = std::mem::replace(&mut self.machine, Machine::Ended) else {
            return Body::Framed(body);
        };
        let http1::Parts { io, read_buf, .. } = machine.into_parts();
        // The machine is gone, so this ends behind what it had handed over.
        let mut front = VecDeque::new();
        while let Some(Ok(frame)) = body.frame().await {
            front.extend(frame.into_data());
        }
        front.push_back(read_buf);
        Body::Plain(Box::new(Plain::new(io.into_inner(), front, length, at, std::mem::take(&mut self.blocks))))
    }

    /// Makes the connection ready for the next request behind a body that was read to its end; false when it is not fit for one.
    pub(super) async fn resume(&mut self, body: Plain) -> bool {
        let (io, blocks) = body.into_rest();
        let Some(io) = io else { return false };
        self.blocks = blocks;
        match first_version(io).await {
            Ok((sender, machine)) => {
                (self.sender, self.machine) = (sender, machine);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether a request for `url` can go over this connection.
    pub(super) fn serves(&self, url: &Url) -> bool {
        let closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        };
        !matches!(self.machine, Machine::Ended) && !closed && self.origin == origin(url)
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

/// HTTP/1.1 over `io`.
async fn first_version(io: Box<dyn Io>) -> hyper::Result<(Sender, Machine)> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_BUFFER);
    let (sender, machine) = builder.handshake(TokioIo::new(io)).await?;
    Ok((Sender::Http1(sender), Machine::Http1(Box::new(machine))))
}

async fn run<F: Future>(machine: &mut Machine, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        machine.run(context);
        future.as_mut().poll(context)
    })
    .await
}

/// A connection that broke: it may work again.
pub(super) fn unreachable_host(url: &Url, error: &hyper::Error) -> SourceError {
    let host = url.host_str().unwrap_or_default();
    let fault_of_peer = error.is_parse() || error.is_parse_too_large() || error.is_parse_status();
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    let message = format!("failed to talk to {host}: {error}{cause}");
    SourceError::transient(if fault_of_peer { reason::PROTOCOL_ERROR } else { reason::UNREACHABLE }, message)
}

/// A connection that broke in the middle of a body.
pub(super) fn broken(url: &Url, error: &std::io::Error) -> SourceError {
    let message = format!("failed to talk to {}: {error}", url.host_str().unwrap_or_default());
    SourceError::transient(reason::UNREACHABLE, message)
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
