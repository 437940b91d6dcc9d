//! Several trackers on one PostgreSQL database: one works, and the others wait to take over when it ends.
//!
//! What swarms do and what may be sent is in one tracker's memory, so there is never a second at work. One that waits lives, and is not
//! ready: nobody is sent to it.

use std::time::Duration;

use axum::{Json, Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, DatabaseError, DatabaseLocation};
use crate::http::Problem;
use crate::tracker::Tracker;

/// How often a tracker looks whether it is still the one that works, and one that stands by whether a database that went is there again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Opens the database. While another tracker has it and it is PostgreSQL, waits, and answers probes on `listener`. Each try takes as long
/// as the database's own patience. Safe to drop.
///
/// # Errors
/// [`DatabaseError`] of anything but that; the listener's, when it cannot be shared.
pub async fn open(
    location: &DatabaseLocation,
    listener: &std::net::TcpListener,
) -> Result<Database, Box<dyn std::error::Error>> {
    let mut probes: Option<Probes> = None;
    loop {
        match Database::open(location).await {
            Err(DatabaseError::InUse { database }) if matches!(location, DatabaseLocation::Postgres { .. }) => {
                if probes.is_none() {
                    let http = listener.local_addr()?;
                    tracing::info!(%http, database, "standing by: another tracker works, or the database does not answer");
                    probes = Some(Probes::start(listener)?);
                }
            }
            // It was there when this one began to wait.
            Err(error @ DatabaseError::Open { .. }) if probes.is_some() => {
                tracing::warn!(%error, "standing by");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            opened => {
                if let Some(probes) = probes {
                    probes.end().await;
                }
                return Ok(opened?);
            }
        }
    }
}

/// Returns once another tracker has taken the database over, as it may when PostgreSQL was away for a while: this one has nothing more to
/// do, and stands by when it is started again.
pub async fn taken_over(tracker: &Tracker) -> DatabaseError {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // What else may be wrong with a database passes, or is for the readiness probe to tell.
        if let Err(error @ DatabaseError::TakenOver) = tracker.database.check_reading().await {
            return error;
        }
    }
}

/// Answers while there is nothing else to answer with. Ends when dropped.
struct Probes {
    served: JoinSet<std::io::Result<()>>,
    closing: CancellationToken,
}

impl Probes {
    fn start(listener: &std::net::TcpListener) -> std::io::Result<Self> {
        let listener = TcpListener::from_std(listener.try_clone()?)?;
        let waiting = || async { Problem::new(StatusCode::SERVICE_UNAVAILABLE, "standing by: another tracker works") };
        let alive = get(|| async { Json(serde_json::json!({})) });
        let router = Router::new().route("/healthz", alive).fallback(waiting);
        let (mut served, closing) = (JoinSet::new(), CancellationToken::new());
        let closed = closing.clone().cancelled_owned();
        served.spawn(axum::serve(listener, router).with_graceful_shutdown(closed).into_future());
        Ok(Self { served, closing })
    }

    async fn end(mut self) {
        self.closing.cancel();
        while self.served.join_next().await.is_some() {}
    }
}
