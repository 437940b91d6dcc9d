//! What anyone may ask: is it alive, is it ready, what does it measure, what does it offer.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::{Access, Api, Operation, Problem, Shared, document};

/// How long the database may take to answer a readiness probe.
const READY_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes(api: Api) -> Api {
    api.add(Operation::new("get", "/healthz", Access::Anyone, "Whether the process is alive."), healthz)
        .add(Operation::new("get", "/readyz", Access::Anyone, "Whether the database answers."), readyz)
        .add(Operation::new("get", "/metrics", Access::Anyone, "Metrics in OpenMetrics text."), metrics)
        .add(Operation::new("get", "/v1/openapi.json", Access::Anyone, "This document."), openapi)
}

async fn healthz() -> Json<serde_json::Value> {
    Json(serde_json::json!({}))
}

async fn readyz(State(tracker): State<Shared>) -> Result<Json<serde_json::Value>, Problem> {
    if tracker.closing().is_cancelled() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting down"));
    }
    match tokio::time::timeout(READY_WITHIN, tracker.database.check()).await {
        Ok(Ok(())) => Ok(Json(serde_json::json!({}))),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"))
        }
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database is too slow")),
    }
}

async fn metrics(State(tracker): State<Shared>) -> impl IntoResponse {
    tracker.metrics.running(tracker.journal(|journal| journal.len()));
    tracker.metrics.shares(tracker.hosts(|leases| leases.len()));
    let (uploaders, sent) = tracker.fleet(|fleet| (fleet.live(Instant::now()), fleet.sent_bytes()));
    tracker.metrics.uploaders(uploaders, sent);
    tracker.metrics.bittorrent(tracker.counts.all(), tracker.swarms.load.interval());
    tracker.metrics.samples(tracker.history.after(0).last().map_or(0, |last| last.samples.len()));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], tracker.metrics.text())
}

async fn openapi() -> Json<serde_json::Value> {
    Json(document())
}
