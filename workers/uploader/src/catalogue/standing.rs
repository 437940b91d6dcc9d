//! How this uploader stands with the tracker: its API may be closed to it, as that of a tracker for everybody (`--open`) is. Then the
//! store says what is public, and torrents are announced as any peer announces them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use videocloud_protocol::tracker::{Client, ClientError};

/// After this long a closed door is tried again.
const CLOSED_FOR: Duration = Duration::from_secs(60);

/// The tracker and what is known of its door.
#[derive(Debug)]
pub struct Standing {
    tracker: Client,
    closed: Mutex<Option<Instant>>,
}

impl Standing {
    /// Not tried yet.
    #[must_use]
    pub const fn new(tracker: Client) -> Self {
        Self { tracker, closed: Mutex::new(None) }
    }

    /// The tracker, door closed or not.
    #[must_use]
    pub const fn tracker(&self) -> &Client {
        &self.tracker
    }

    /// Whether the API was found closed lately.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let closed = *self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.is_some_and(|since| since.elapsed() < CLOSED_FOR)
    }

    /// Takes note of what a call met.
    pub fn note(&self, error: &ClientError) {
        let ClientError::Status { status, .. } = error else { return };
        if matches!(status.as_u16(), 401 | 403) {
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            if closed.replace(Instant::now()).is_none() {
                tracing::info!(
                    "the tracker's API is closed to this uploader; its torrents are announced as by any peer"
                );
            }
        }
    }
}
