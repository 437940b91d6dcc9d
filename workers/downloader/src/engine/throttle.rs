//! Rate limits, of a download over all of its lanes and of one host; they may change at any time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much of what is taken at a time is waited for at most: longer, and a lane would seem to have fallen silent.
const BATCH: Duration = Duration::from_millis(500);

/// Hands out bytes, or requests, at a rate: each taker waits until those before it would be through.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Per second, as the bits of a float; infinite for no limit.
    rate: AtomicU64,
    /// When all that was handed out is through.
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// `None` and 0 are no limit.
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let throttle = Self { rate: AtomicU64::new(0), free_at: Mutex::new(Instant::now()) };
        throttle.set(per_second);
        throttle
    }

    /// From now on at this rate; `None` and 0 are no limit.
    pub(super) fn set(&self, per_second: Option<f64>) {
        let rate = per_second.filter(|rate| *rate > 0.0).unwrap_or(f64::INFINITY);
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// Waits until `amount` that has come may be taken in: a lane that waits reads no more, which slows its sender down.
    pub(super) async fn take(&self, amount: u64) {
        let rate = self.rate();
        if rate.is_finite() {
            tokio::time::sleep_until(self.turn(Instant::now(), amount, rate)).await;
        }
    }

    /// The most that should be taken at a time.
    pub(super) fn batch(&self) -> usize {
        // A float is cut at the largest number there is.
        (self.rate() * BATCH.as_secs_f64()) as usize
    }

    /// When somebody who asks at `now` for `amount` may have it.
    fn turn(&self, now: Instant, amount: u64, rate: f64) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*free_at).max(now);
        *free_at = turn + Duration::from_secs_f64((amount as f64 / rate).min(3600.0));
        turn
    }
}

/// The rates of one host, over all lanes to it.
#[derive(Debug)]
pub(super) struct HostThrottle {
    pub(super) bytes: Throttle,
    pub(super) requests: Throttle,
}

impl HostThrottle {
    /// Takes in `bytes` that have come from the host.
    pub(super) async fn take(&self, bytes: u64) {
        self.bytes.take(bytes).await;
    }

    /// Waits until another request may be sent.
    pub(super) async fn request(&self) {
        self.requests.take(1).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_keep_to_the_rate() {
        let throttle = Throttle::new(Some(1000.0));
        let now = Instant::now();
        let turns: Vec<Duration> = (0..20).map(|_| throttle.turn(now, 100, 1000.0) - now).collect();
        // The last of 20 begins when 1,900 bytes are through.
        assert!(turns[19] >= Duration::from_millis(1899) && turns[19] < Duration::from_millis(1910), "{turns:?}");
        // What was not used is not saved up.
        let later = now + Duration::from_secs(60);
        assert_eq!(throttle.turn(later, 100, 1000.0), later);
    }

    #[test]
    fn what_is_taken_at_a_time_follows_the_rate() {
        let throttle = Throttle::new(None);
        assert_eq!(throttle.batch(), usize::MAX);
        throttle.set(Some(10_000.0));
        assert_eq!(throttle.batch(), 5_000);
        throttle.set(Some(0.0));
        assert_eq!(throttle.batch(), usize::MAX);
    }
}
