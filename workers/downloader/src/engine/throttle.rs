//! The rate limit of a download over all of its lanes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Hands out bytes at a rate: each taker waits until those before it would be through.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_second: Option<u64>,
    /// When all bytes that were handed out are through.
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// `None` and 0 are no limit.
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.filter(|rate| *rate > 0), free_at: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` that have come may be taken in: a lane that waits reads no more, which slows its sender down.
    pub(super) async fn take(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        tokio::time::sleep_until(self.turn(Instant::now(), bytes, rate)).await;
    }

    /// When somebody who asks at `now` for `bytes` may have them.
    fn turn(&self, now: Instant, bytes: u64, rate: u64) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*free_at).max(now);
        *free_at = turn + Duration::from_secs_f64(bytes as f64 / rate as f64);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_keep_to_the_rate() {
        let throttle = Throttle::new(Some(1000));
        let now = Instant::now();
        let turns: Vec<Duration> = (0..20).map(|_| throttle.turn(now, 100, 1000) - now).collect();
        // The last of 20 begins when 1,900 bytes are through.
        assert!(turns[19] >= Duration::from_millis(1899) && turns[19] < Duration::from_millis(1910), "{turns:?}");
        // What was not used is not saved up.
        let later = now + Duration::from_secs(60);
        assert_eq!(throttle.turn(later, 100, 1000), later);
    }
}
