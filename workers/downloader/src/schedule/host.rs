//! Back-off and circuit breaker of one host.
//!
//! Closed while requests work. A fault opens it for a jittered, doubling time; then it is half open: one connection may try,
//! and the first byte closes it again. `Retry-After` overrides the computed time. This is the "full jitter" form, with a floor
//! of half the step so that a fleet of downloaders neither hammers nor thunders.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::event::Fault;
use super::rate::Time;
use super::settings::Settings;

/// What the scheduler remembers of one host.
#[derive(Debug)]
pub(super) struct Host {
    /// Faults since the last byte.
    faults: u32,
    /// No request before this time.
    retry_at: Time,
    /// Connections the host has shown to bear.
    lanes: usize,
    /// Connections it may have at most.
    most: usize,
    /// When one more is tried.
    more_at: Time,
}

/// Time after which one more connection is tried where fewer have worked, and where the server asked for fewer requests.
const MORE: Duration = Duration::from_secs(5);
const MORE_AFTER_THROTTLE: Duration = Duration::from_secs(60);

impl Host {
    pub(super) fn new(lanes: usize) -> Self {
        Self { faults: 0, retry_at: Time::ZERO, lanes, most: lanes, more_at: Time::ZERO }
    }

    /// Connections allowed at `now`: none while open, one while half open.
    pub(super) fn allowed(&self, now: Time) -> usize {
        match (now < self.retry_at, self.faults) {
            (true, _) => 0,
            (false, 0) => self.lanes,
            (false, _) => self.most.min(1),
        }
    }

    /// Connections it may have at most.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// It may have `most` connections from now on; false when that is nothing new.
    pub(super) fn set_most(&mut self, most: usize) -> bool {
        if self.most == most {
            return false;
        }
        // Fewer than it might have had for a reason of its own.
        let bears_all = self.lanes == self.most;
        self.lanes = if bears_all { most } else { self.lanes.max(1).min(most) };
        self.most = most;
        true
    }

    /// When the breaker lets the next request through, if it is open at `now`.
    pub(super) fn wakes_at(&self, now: Time) -> Option<Time> {
        (now < self.retry_at).then_some(self.retry_at)
    }

    /// A byte came: closed again. An explicit `Retry-After` still holds for new requests.
    pub(super) fn worked(&mut self) {
        self.faults = 0;
    }

    /// A run came to its end: with time, more connections are tried again.
    pub(super) fn finished(&mut self, now: Time) {
        if self.lanes < self.most && self.more_at <= now {
            self.lanes += 1;
            self.more_at = now + MORE;
        }
    }

    /// Counts a fault. `busy` is the number of other lanes that are delivering from this host.
    pub(super) fn failed(&mut self, now: Time, fault: Fault, busy: usize, settings: &Settings, rng: &mut SmallRng) {
        let wait = match fault {
            Fault::Gone | Fault::NoRanges => return,
            Fault::Throttled { after } => {
                self.lanes = (self.lanes.min(busy + 1) / 2).max(1);
                self.more_at = now + MORE_AFTER_THROTTLE;
                after.map(|after| after.min(settings.retry_after_cap))
            }
            Fault::Transient | Fault::Stalled => {
                // The host serves others at this moment, so it may simply bear no more connections.
                if busy > 0 {
                    self.lanes = self.lanes.min(busy);
                    self.more_at = self.more_at.max(now + MORE);
                }
                None
            }
        };
        // Lanes that fail together are one fault: the host has not been asked again since.
        if now >= self.retry_at || self.faults == 0 {
            self.faults = self.faults.saturating_add(1);
        }
        let wait = wait.unwrap_or_else(|| self.step(settings, rng));
        self.retry_at = self.retry_at.max(now + wait);
    }

    fn step(&self, settings: &Settings, rng: &mut SmallRng) -> Duration {
        let doublings = self.faults.saturating_sub(1).min(16);
        let step = settings.backoff.saturating_mul(1 << doublings).min(settings.backoff_cap);
        step.mul_f64(rng.random_range(0.5..1.0))
    }
}
