//! The tracker's updates, read for ever: one long poll at a time, at once when a Job has ended.

use std::{sync::Arc, time::Duration};

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::tracker::Client;

use super::Index;
use crate::metrics::Metrics;

/// How long the tracker may hold an answer back while nothing changes.
const WAIT: Duration = Duration::from_secs(20);
/// At least between two batches, so that many small reports become one.
const PACE: Duration = Duration::from_millis(200);
/// Longest pause between tries while the tracker does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Follows the tracker until `stop`.
pub async fn follow_tracker(index: Arc<Index>, tracker: Client, metrics: Metrics, stop: CancellationToken) {
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        let after = index.state().tasks.begin();
        let wait = if index.is_unsettled() { Duration::ZERO } else { WAIT };
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            () = index.poked(), if !wait.is_zero() => continue,
            answer = tracker.updates(after, wait) => answer,
        };
        let pause = match answer {
            Ok(updates) => {
                failures = 0;
                metrics.tracker_answered(true);
                if index.tracker_answered(updates) {
                    tracing::warn!("the tracker answers from another database: claims and publications are told again");
                }
                PACE
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                metrics.tracker_answered(false);
                let longest = LONGEST_PAUSE.min(PACE * 2_u32.saturating_pow(failures.min(8)));
                tracing::warn!(%error, failures, "failed to read the tracker's updates, trying again");
                longest.mul_f64(rand::rng().random_range(0.5..=1.0))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
