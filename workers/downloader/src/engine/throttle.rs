//! The rate limits of a download over all of its lanes, and over those to one host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::HostLimits;

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

/// The limits of one host, over all lanes to it.
#[derive(Debug)]
pub(super) struct HostThrottle {
    bytes: Throttle,
    requests: Throttle,
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

/// The limits of every host of a download.
#[derive(Debug)]
pub(super) struct HostThrottles {
    limits: HostLimits,
    hosts: Mutex<HashMap<String, Arc<HostThrottle>>>,
}

impl HostThrottles {
    pub(super) fn new(limits: HostLimits) -> Self {
        Self { limits, hosts: Mutex::new(HashMap::new()) }
    }

    /// That of `host`.
    pub(super) fn of(&self, host: String) -> Arc<HostThrottle> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let HostLimits { bytes_per_second, requests_per_second } = self.limits;
        let new = || HostThrottle {
            bytes: Throttle::new(bytes_per_second),
            requests: Throttle::new(requests_per_second.map(u64::from)),
        };
        Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_limits_of_its_own() {
        let limits = HostLimits { bytes_per_second: Some(1000), requests_per_second: Some(4) };
        let throttles = HostThrottles::new(limits);
        let (one, same, other) = (throttles.of("a".into()), throttles.of("a".into()), throttles.of("b".into()));
        let now = Instant::now();
        let turn = |host: &HostThrottle| host.requests.turn(now, 1, 4).saturating_duration_since(now).as_millis();
        let first = turn(&one);
        assert_eq!((turn(&same) - first, turn(&one) - first), (250, 500));
        assert_eq!(turn(&other), first);
        let bytes = |host: &HostThrottle| host.bytes.turn(now, 500, 1000).saturating_duration_since(now).as_millis();
        let first = bytes(&one);
        assert_eq!((bytes(&same) - first, bytes(&other)), (500, first));
    }

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
