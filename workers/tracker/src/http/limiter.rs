//! How often one address may fail to authenticate: a token bucket per address, in bounded memory. Pure.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Failures an address may make at once.
const BURST: f64 = 20.0;
/// Failures forgiven each second.
const FORGIVEN: f64 = 1.0;
/// Addresses remembered.
const MAX_ADDRESSES: usize = 10_000;

#[derive(Debug)]
struct Bucket {
    failures: f64,
    updated: Instant,
}

/// Failures by address.
#[derive(Debug, Default)]
pub struct FailureLimiter(HashMap<IpAddr, Bucket>);

impl FailureLimiter {
    /// Whether `address` has no failure left to make.
    #[must_use]
    pub fn is_blocked(&self, address: IpAddr, now: Instant) -> bool {
        self.0.get(&address).is_some_and(|bucket| left(bucket, now) > BURST - 1.0)
    }

    /// Notes a failure of `address`.
    pub fn failed(&mut self, address: IpAddr, now: Instant) {
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&address) {
            self.0.retain(|_, bucket| left(bucket, now) > 0.0);
            // Full of addresses that still fail: forget them all sooner than grow.
            if self.0.len() >= MAX_ADDRESSES {
                self.0.clear();
            }
        }
        let bucket = self.0.entry(address).or_insert(Bucket { failures: 0.0, updated: now });
        bucket.failures = (left(bucket, now) + 1.0).min(BURST);
        bucket.updated = now;
    }
}

fn left(bucket: &Bucket, now: Instant) -> f64 {
    let seconds: Duration = now.saturating_duration_since(bucket.updated);
    (bucket.failures - seconds.as_secs_f64() * FORGIVEN).max(0.0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn blocks_after_a_burst_and_forgives_with_time() {
        let (mut limiter, now) = (FailureLimiter::default(), Instant::now());
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..100 {
            limiter.failed(address, now);
        }
        assert!(limiter.is_blocked(address, now));
        assert!(!limiter.is_blocked(IpAddr::V4(Ipv4Addr::UNSPECIFIED), now));
        assert!(!limiter.is_blocked(address, now + Duration::from_secs(2)));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut limiter, now) = (FailureLimiter::default(), Instant::now());
        for index in 0..30_000_u32 {
            limiter.failed(IpAddr::V4(Ipv4Addr::from_bits(index)), now);
        }
        assert!(limiter.0.len() <= MAX_ADDRESSES);
    }
}
