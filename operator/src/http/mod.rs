//! `/metrics`, `/healthz` (the process lives) and `/readyz` (every object has been seen once, so this replica could lead).

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{index::Index, metrics::Metrics};

#[derive(Clone)]
struct Served {
    index: Arc<Index>,
    metrics: Metrics,
    ready: watch::Receiver<bool>,
}

/// Serves on `listener` until `stop`.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: TcpListener,
    index: Arc<Index>,
    metrics: Metrics,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(Served { index, metrics, ready });
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Binds `address`.
///
/// # Errors
/// A sentence that names the flag.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("failed to listen on {address} (--http): {error}"))
}

async fn text(State(served): State<Served>) -> ([(&'static str, &'static str); 1], String) {
    let kind = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, served.metrics.text(&served.index))
}

async fn readiness(State(served): State<Served>) -> (StatusCode, &'static str) {
    if *served.ready.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "listing objects\n")
    }
}
