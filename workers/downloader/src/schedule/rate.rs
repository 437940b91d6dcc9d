//! Rate of a byte flow from irregular samples, and the time of the scheduler.

use std::time::Duration;

/// A point in time: how long the download has been running. The state machine never looks at a clock.
pub type Time = Duration;

/// How fast an old sample is forgotten, in seconds.
const MEMORY_SECONDS: f64 = 3.0;

/// Exponentially weighted mean rate in bytes per second.
///
/// With memory `m`, a sample of age `t` weighs `exp(-t/m)`. The sum is divided by the weight of the time that has really
/// passed, so the first second already gives an unbiased figure, and silence lowers the rate by itself.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    since: Time,
    last: Time,
    weighted_bytes: f64,
}

impl Rate {
    /// A flow that begins at `now` and has delivered nothing.
    #[must_use]
    pub fn starting(now: Time) -> Self {
        Self { since: now, last: now, weighted_bytes: 0.0 }
    }

    /// Counts `bytes` that arrived between the last sample and `now`.
    pub fn add(&mut self, now: Time, bytes: u64) {
        self.weighted_bytes = self.decayed(now) + bytes as f64;
        self.last = self.last.max(now);
    }

    /// Bytes per second at `now`. Zero before the first sample.
    #[must_use]
    pub fn at(&self, now: Time) -> f64 {
        let elapsed = now.saturating_sub(self.since).as_secs_f64().max(0.02);
        let weight = MEMORY_SECONDS * (1.0 - (-elapsed / MEMORY_SECONDS).exp());
        self.decayed(now) / weight
    }

    fn decayed(&self, now: Time) -> f64 {
        let age = now.saturating_sub(self.last).as_secs_f64();
        self.weighted_bytes * (-age / MEMORY_SECONDS).exp()
    }
}
