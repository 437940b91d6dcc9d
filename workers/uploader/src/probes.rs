//! For the kubelet and Prometheus: is it alive, is it ready, what does it measure. Served beside the videos, or at an address of
//! their own where the edge is open to the world.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio_util::sync::CancellationToken;

use crate::{
    connections::Places,
    edge::{Body, Edge},
    metrics::Now,
    source::buffers::Buffers,
};

/// What the probes look at.
#[derive(Debug, Clone)]
pub struct Probes {
    /// The edge.
    pub edge: Arc<Edge>,
    /// Its connections.
    pub places: Arc<Places>,
    /// Places of peers.
    pub peers: Arc<Places>,
    /// Its buffers.
    pub buffers: Buffers,
    /// Cancelled when no new clients should be sent here.
    pub closing: CancellationToken,
}

impl Probes {
    /// The answer to a request, if it is for one of these.
    #[must_use]
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let (status, kind, text) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "text/plain", "alive\n".to_owned()),
            "/readyz" if self.closing.is_cancelled() => {
                (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "stopping\n".to_owned())
            }
            "/readyz" => (StatusCode::OK, "text/plain", "ready\n".to_owned()),
            "/metrics" => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, kind, self.edge.settings().metrics.text(self.now()))
            }
            _ => return None,
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }

    fn now(&self) -> Now {
        let settings = self.edge.settings();
        let (torrents, index) = settings.torrents.read(|index| (index.len(), index.bytes()));
        Now {
            peers: self.peers.held(),
            torrents,
            index,
            connections: self.places.held(),
            contents: settings.swarms.active(),
            buffered: self.buffers.lent(),
            generation: settings.swarms.generation().unwrap_or(0),
        }
    }
}
