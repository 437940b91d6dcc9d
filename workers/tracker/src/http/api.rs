//! The table of operations. Routing, access, limits, metrics and the OpenAPI document all come from it, so that none of them can
//! know a route the others do not.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::StatusCode,
    middleware,
    routing::{MethodFilter, on},
};
use schemars::{Schema, SchemaGenerator};

use super::{Access, Gate, Problem, access::guard, probes};
use crate::{Tracker, bittorrent, claims, hosts, metrics::Metrics, pools, publications, swarms, tasks, uploaders};

/// What handlers share.
pub type Shared = Arc<Tracker>;

/// Longest time one request may take, reading its body included.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Makes the schema of a type, for example `SchemaGenerator::subschema_for::<T>`.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// `get`, `put`, `post` or `delete`.
    pub method: &'static str,
    /// With `{placeholders}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// One sentence.
    pub summary: &'static str,
    /// Query parameters: name, and what it means.
    pub query: &'static [(&'static str, &'static str)],
    /// Schema of the body, if it takes one, and the largest body in bytes.
    pub body: Option<(SchemaOf, usize)>,
    /// Schema of the answer; `None` for `{}`.
    pub answer: Option<SchemaOf>,
    /// Longest time it may take.
    pub timeout: Duration,
}

impl Operation {
    /// An operation without query, body or particular answer.
    #[must_use]
    pub const fn new(method: &'static str, path: &'static str, access: Access, summary: &'static str) -> Self {
        Self { method, path, access, summary, query: &[], body: None, answer: None, timeout: TIMEOUT }
    }

    const fn filter(&self) -> MethodFilter {
        match self.method.as_bytes() {
            b"put" => MethodFilter::PUT,
            b"post" => MethodFilter::POST,
            b"delete" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        }
    }
}

/// What stands before one operation.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: Metrics,
    pub(super) access: Access,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) timeout: Duration,
}

/// Operations and their handlers.
pub struct Api {
    gate: Arc<Gate>,
    metrics: Metrics,
    router: Router<Shared>,
    operations: Vec<Operation>,
}

impl Api {
    /// Adds an operation.
    #[must_use]
    pub fn add<H: Handler<T, Shared>, T: 'static>(mut self, operation: Operation, handler: H) -> Self {
        let Operation { method, path, access, timeout, .. } = operation;
        let guarded =
            Guard { gate: Arc::clone(&self.gate), metrics: self.metrics.clone(), access, method, path, timeout };
        let limit = operation.body.map_or(0, |(_, limit)| limit);
        let route = on(operation.filter(), handler)
            .layer(DefaultBodyLimit::max(limit))
            .layer(middleware::from_fn_with_state(guarded, guard));
        self.router = self.router.route(path, route);
        self.operations.push(operation);
        self
    }
}

/// Every operation of the tracker.
fn api(gate: Arc<Gate>, metrics: Metrics) -> Api {
    let api = Api { gate, metrics, router: Router::new(), operations: Vec::new() };
    let api = claims::http::routes(api);
    let api = tasks::http::routes(api);
    let api = hosts::http::routes(api);
    let api = publications::http::routes(api);
    let api = uploaders::http::routes(api);
    let api = swarms::http::routes(api);
    let api = pools::http::routes(api);
    probes::routes(api)
}

/// Every operation, without its handler.
#[must_use]
pub(super) fn operations() -> Vec<Operation> {
    let gate = Gate::open();
    api(Arc::new(gate), Metrics::new()).operations
}

/// The whole HTTP service.
#[derive(Clone)]
pub struct Service {
    pub(super) router: Router,
    pub(super) tracker: Shared,
}

/// The HTTP service of a tracker.
#[must_use]
pub fn router(tracker: Shared, gate: Gate) -> Service {
    let api = api(Arc::new(gate), tracker.metrics.clone());
    // Peers speak bencode and WebSocket, and show no tokens: not operations of the API.
    let router = api
        .router
        .merge(bittorrent::http::routes())
        .fallback(|| async { Problem::not_found("no such path; see /v1/openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no such method on this path; see /v1/openapi.json")
        })
        .with_state(Arc::clone(&tracker));
    Service { router, tracker }
}
