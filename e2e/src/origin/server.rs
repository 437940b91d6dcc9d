//! The server: binds, routes, counts, ends when dropped.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures::StreamExt;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower_http::services::ServeDir;

use super::fault;

/// The origin could not be started.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the origin on {address}: {source}")]
pub struct OriginError {
    address: SocketAddr,
    source: std::io::Error,
}

/// What was served under one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests, whatever their method.
    pub requests: u64,
    /// Body bytes handed to connections.
    pub bytes: u64,
}

type Counters = Arc<Mutex<BTreeMap<String, Served>>>;

/// A running origin. Dropping it stops it.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    folder: PathBuf,
    counters: Counters,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Origin {
    /// Serves `folder` under `/`, and the faults of [`super`] under `/fault/`, on a free port of `ip` (or `port`, when not 0).
    ///
    /// # Errors
    /// [`OriginError`] when the address cannot be bound.
    pub async fn start(ip: IpAddr, port: u16, folder: &Path) -> Result<Self, OriginError> {
        let wanted = SocketAddr::new(ip, port);
        let failed = |source| OriginError { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let counters = Counters::default();
        let app = Router::new()
            .nest("/fault", fault::routes())
            .fallback_service(ServeDir::new(folder))
            .layer(middleware::from_fn_with_state(counters.clone(), count));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, app) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "origin ended");
                    }
                }
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { address, folder: folder.to_owned(), counters, stop, task })
    }

    /// The URL of `path` (no leading slash).
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The folder it serves.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was served under `path` (no leading slash) so far.
    #[must_use]
    pub fn served(&self, path: &str) -> Served {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get(&format!("/{path}")).copied().unwrap_or_default()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

async fn count(State(counters): State<Counters>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    add(&counters, &path, Served { requests: 1, bytes: 0 });
    let (parts, body) = next.run(request).await.into_parts();
    let stream = body.into_data_stream().inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            add(&counters, &path, Served { requests: 0, bytes: chunk.len() as u64 });
        }
    });
    Response::from_parts(parts, axum::body::Body::from_stream(stream))
}

fn add(counters: &Counters, path: &str, more: Served) {
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    let served = counters.entry(path.to_owned()).or_default();
    served.requests += more.requests;
    served.bytes += more.bytes;
}
