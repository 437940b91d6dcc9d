//! The listener: HTTP/1.1 and HTTP/2 without TLS (an ingress or the mesh has it), one task per connection, all ended with it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::{Places, Refused, limits::Place, socket::Socket, wire};
use crate::{
    edge::{Body, Edge, answer::Refusal},
    metrics::Metrics,
    probes::Probes,
    pulse::{Cut, LOOK_EVERY, Pulse, Watch},
    rates::{Meter, Swarms, UNLIMITED},
};

/// Longest time from one request's end to the end of the next one's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest head of a request, bytes.
const MAX_HEAD: u32 = 32 << 10;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;

/// How to stop.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long to go on accepting once told to stop, until nobody is sent here any more.
    pub delay: Duration,
    /// How long answers under way may take after that.
    pub timeout: Duration,
}

/// What is answered on a listener.
#[derive(Debug, Clone)]
pub struct Site {
    /// Videos, if they are served here.
    pub edge: Option<Arc<Edge>>,
    /// Probes, if they are served here.
    pub probes: Option<Probes>,
    /// What is counted.
    pub metrics: Metrics,
    /// Pays for all connections.
    pub swarms: Arc<Swarms>,
}

impl Site {
    async fn answer(&self, request: &Request<Incoming>, pulse: &Arc<Pulse>, meter: &Arc<Meter>) -> Response<Body> {
        if let Some(response) = self.probes.as_ref().and_then(|probes| probes.answer(request)) {
            return response;
        }
        match &self.edge {
            Some(edge) => edge.answer(request, pulse, meter).await,
            None => Refusal::NotFound("there is nothing at this address but /metrics, /healthz and /readyz").response(),
        }
    }
}

/// Serves `site` until `closing` is cancelled, then drains.
pub async fn serve(listener: TcpListener, site: Site, places: Arc<Places>, drain: Drain, closing: CancellationToken) {
    let site = Arc::new(site);
    let builder = Arc::new(builder());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let stop = async {
        closing.cancelled().await;
        tokio::time::sleep(drain.delay).await;
    };
    tokio::pin!(stop);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match places.take(peer.ip()) {
            Ok(place) => drop(connections.spawn(connection((stream, peer), place, &builder, &site, &graceful))),
            Err(refused) => {
                site.metrics.refused(refused);
                refuse(&stream, refused);
            }
        }
    }
    drop(listener);
    tracing::info!(connections = places.held(), "ending connections");
    if tokio::time::timeout(drain.timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = places.held(), "answers under way did not end in time; cut");
    }
    connections.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(HEAD_TIMEOUT);
    builder
}

/// One connection, from its first byte to its last.
fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    place: Place,
    builder: &Arc<Builder<TokioExecutor>>,
    site: &Arc<Site>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // Answers are written whole: waiting for more to send would only delay their ends.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    if site.swarms.capacity() != UNLIMITED {
        wire::hold_little(&stream, site.swarms.capacity());
    }
    let pulse = Arc::new(Pulse::default());
    let meter = site.swarms.meter(peer.ip().to_canonical().is_ipv6());
    let service = {
        let (site, pulse, meter) = (Arc::clone(site), Arc::clone(&pulse), Arc::clone(&meter));
        service_fn(move |request: Request<Incoming>| {
            let (site, pulse, meter) = (Arc::clone(&site), Arc::clone(&pulse), Arc::clone(&meter));
            pulse.request();
            async move { Ok::<_, Infallible>(site.answer(&request, &pulse, &meter).await) }
        })
    };
    let socket = TokioIo::new(Socket { stream, pulse: Arc::clone(&pulse), meter });
    let served = graceful.watch(builder.serve_connection(socket, service).into_owned());
    let metrics = site.metrics.clone();
    async move {
        tokio::pin!(served);
        let (mut watch, mut looks) = (Watch::default(), interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY));
        loop {
            tokio::select! {
                ended = &mut served => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection ended early");
                    }
                    break;
                }
                _ = looks.tick() => if let Some(cut) = watch.look(&pulse) {
                    metrics.cut(match cut {
                        Cut::Silent => "silent",
                        Cut::Stuck => "stuck",
                    });
                    break;
                }
            }
        }
        drop(place);
    }
}

/// Says that there is no place, if that can be said at once.
fn refuse(stream: &TcpStream, refused: Refused) {
    let status = match refused {
        Refused::Total => "503 Service Unavailable",
        Refused::Address => "429 Too Many Requests",
    };
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
    // Whoever does not get it sees the connection end.
    drop(stream.try_write(answer.as_bytes()));
}
