//! Long polls: what a caller knows already, and how long it waits for more.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;

use super::Problem;

/// The query of a call that waits: `?after=<number>&wait=<seconds>`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Poll {
    /// Number of what is known; 0 for nothing.
    #[serde(default)]
    pub after: u64,
    #[serde(default)]
    wait: u64,
}

impl Poll {
    /// Longest wait.
    pub const MAX_WAIT: Duration = Duration::from_secs(60);

    /// How long to wait for more.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait).min(Self::MAX_WAIT)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Poll {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        query.map(|Query(poll)| poll).map_err(|error| Problem::bad_request(error.body_text()))
    }
}
