//! The listener: HTTP/1.1 and HTTP/2 without TLS (the mesh or ingress has it), bounded connections, slow heads cut, clean drain.
//! Plain announces are answered before HTTP proper begins.

use std::{
    convert::Infallible,
    io::Cursor,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Service;
use crate::bittorrent::http::quick;

/// Connections at a time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 4096;
/// Longest time to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take to end once told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Serves `service` until `closing` is cancelled, then lets requests under way end.
pub async fn serve(listener: TcpListener, service: Service, closing: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256).keep_alive_interval(HEAD_TIMEOUT);
    let site = Arc::new(Site { builder, service });
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = closing
            .run_until_cancelled(async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, listener.accept().await))
            })
            .await;
        let (place, stream, peer) = match accepted {
            None | Some(None) => break,
            Some(Some((place, Ok((stream, peer))))) => (place, stream, peer),
            Some(Some((_, Err(error)))) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (site, watcher, closing) = (Arc::clone(&site), graceful.watcher(), closing.clone());
        connections.spawn(async move {
            site.connection((stream, peer), watcher, &closing).await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests under way did not end in time; cut");
    }
    connections.shutdown().await;
}

/// What every connection needs.
struct Site {
    builder: Builder<TokioExecutor>,
    service: Service,
}

impl Site {
    async fn connection(&self, (stream, peer): (TcpStream, SocketAddr), watcher: Watcher, closing: &CancellationToken) {
        let address = peer.ip().to_canonical();
        let Service { router, tracker } = &self.service;
        let Some((stream, came)) = quick::serve(stream, tracker, address, HEAD_TIMEOUT, closing).await else { return };
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(Peer(address));
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
        });
        let (input, output) = stream.into_split();
        let whole = tokio::io::join(Cursor::new(came).chain(input), output);
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(whole), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended early");
        }
    }
}
