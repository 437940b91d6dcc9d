//! Delays between tries of one object: doubling, with jitter and a cap, forgotten on success.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt as _;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(120);

/// Failures in a row, by object.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// Counts a failure and says how long to wait.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        let full = FIRST.saturating_mul(2_u32.saturating_pow(*count - 1)).min(LONGEST);
        full.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Forgets an object's failures.
    pub(super) fn succeeded(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_cap_and_start_over_after_success() {
        let backoff = Backoff::default();
        let delays: Vec<Duration> = (0..40).map(|_| backoff.failed("a")).collect();
        assert!(delays[0] <= FIRST && delays[39] >= LONGEST / 2);
        assert!(delays.iter().all(|delay| *delay <= LONGEST));
        backoff.succeeded("a");
        assert!(backoff.failed("a") <= FIRST);
    }
}
