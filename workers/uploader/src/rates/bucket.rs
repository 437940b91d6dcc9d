//! A token bucket that lends: exact at any rate, and changed at runtime without a burst.
//!
//! Whoever finds no debt may send one piece and leaves the bucket in debt by what the piece exceeds the credit, so pieces need not
//! fit the bucket. Over any time T it lets through at most rate x (T + [`BURST`]) and one piece; up to rate x (T + [`LATE`]) where
//! somebody waited and was woken late.

use std::time::{Duration, Instant};

use super::UNLIMITED;

/// How much unused time is kept.
pub const BURST: Duration = Duration::from_millis(50);
/// How much time is kept that somebody waited for: on a busy machine wake-ups are late, and the rate is to hold all the same.
pub const LATE: Duration = Duration::from_millis(100);
/// Credit is counted in billionths of a byte: whole numbers for any rate and any time.
const UNIT: i128 = 1_000_000_000;

/// A bucket. It has no clock: callers say when it is.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: u64,
    credit: i128,
    at: Instant,
    /// Somebody found debt and waits.
    awaited: bool,
}

/// Why nothing may be sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The debt is paid after this long, if the rate stays.
    For(Duration),
    /// The rate is 0.
    Paused,
}

impl Bucket {
    /// A bucket of `rate` bytes per second ([`UNLIMITED`] for none), empty at `now`.
    #[must_use]
    pub const fn new(rate: u64, now: Instant) -> Self {
        Self { rate, credit: 0, at: now, awaited: false }
    }

    /// Bytes per second.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        self.rate
    }

    /// Changes the rate. Credit and debt stay, so that no change lets anything through by itself; a debt made at a high
    /// rate is not held against a low one for longer than [`BURST`].
    pub fn set_rate(&mut self, rate: u64, now: Instant) {
        self.accrue(now);
        let new = i128::from(rate);
        let most = new.saturating_mul(nanos(BURST));
        self.credit = self.credit.clamp(-most, most);
        self.rate = rate;
    }

    /// Takes `bytes`, unless there is debt.
    ///
    /// # Errors
    /// [`Wait`] when there is; nothing is taken then.
    pub fn take(&mut self, bytes: u64, now: Instant) -> Result<(), Wait> {
        if self.rate == UNLIMITED {
            return Ok(());
        }
        self.accrue(now);
        if self.rate == 0 {
            return Err(Wait::Paused);
        }
        if self.credit < 0 {
            let missing = self.credit.unsigned_abs();
            let wait = missing.div_ceil(u128::from(self.rate));
            self.awaited = true;
            return Err(Wait::For(Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))));
        }
        self.credit -= i128::from(bytes) * UNIT;
        self.awaited = false;
        Ok(())
    }

    /// Takes `bytes`, debt or not.
    pub fn charge(&mut self, bytes: u64, now: Instant) {
        if self.rate != UNLIMITED {
            self.accrue(now);
            self.credit = self.credit.saturating_sub(i128::from(bytes) * UNIT);
        }
    }

    /// Gives back what was taken and not sent.
    pub fn give_back(&mut self, bytes: u64) {
        let most = i128::from(self.rate).saturating_mul(nanos(LATE));
        self.credit = self.credit.saturating_add(i128::from(bytes) * UNIT).min(most.max(self.credit));
    }

    fn accrue(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        let kept = if self.awaited { LATE } else { BURST };
        let most = i128::from(self.rate).saturating_mul(nanos(kept));
        let earned = i128::from(self.rate).saturating_mul(nanos(elapsed));
        // What a late one is still to be given is not taken back by the next who asks.
        self.credit = self.credit.saturating_add(earned).min(most.max(self.credit));
        self.at = self.at.max(now);
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a bucket lets through in `time` to a sender that always has a piece ready.
    fn sent(bucket: &mut Bucket, piece: u64, from: Instant, time: Duration) -> u64 {
        let (mut now, mut total) = (from, 0);
        while now.saturating_duration_since(from) <= time {
            match bucket.take(piece, now) {
                Ok(()) => total += piece,
                Err(Wait::For(wait)) => now += wait,
                Err(Wait::Paused) => break,
            }
        }
        total
    }

    proptest! {
        #[test]
        fn the_rate_holds_over_any_time(
            rate in 1_000_u64..50_000_000,
            piece in 1_u64..262_144,
            idle_millis in 0_u64..100_000,
            seconds in 1_u64..20,
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, start);
            let total = sent(&mut bucket, piece, start + Duration::from_millis(idle_millis), Duration::from_secs(seconds));
            let burst = rate * u64::try_from(BURST.as_millis()).unwrap() / 1000;
            prop_assert!(total <= rate * seconds + burst + piece, "{} sent", total);
            prop_assert!(total + piece >= rate * seconds, "{} sent", total);
        }

        #[test]
        fn a_new_rate_holds_at_once_and_lets_nothing_through_by_itself(
            before in 1_000_u64..50_000_000,
            after in 100_000_u64..50_000_000,
            changes in 1_u32..50,
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(before, start);
            sent(&mut bucket, 4096, start, Duration::from_secs(1));
            let now = start + Duration::from_secs(2);
            for _ in 0..changes {
                bucket.set_rate(after, now);
                bucket.set_rate(before, now);
            }
            bucket.set_rate(after, now);
            let total = sent(&mut bucket, 4096, now, Duration::from_secs(10));
            prop_assert!(total <= after * 10 + after / 20 + 4096, "{} sent", total);
            prop_assert!(total + 4096 + after / 20 >= after * 10, "{} sent", total);
        }
    }

    #[test]
    fn who_is_woken_late_catches_up_within_bounds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000, start);
        assert_eq!(bucket.take(10_000, start), Ok(()));
        assert_eq!(bucket.take(10_000, start), Err(Wait::For(Duration::from_millis(10))));
        // Woken a second late: a tenth of it is not lost, of idle time a twentieth would be kept.
        let late = start + Duration::from_secs(1);
        let pieces = (0..).take_while(|_| bucket.take(10_000, late).is_ok()).count();
        assert_eq!(pieces, 11);
        let idle = late + Duration::from_secs(9);
        let mut rested = Bucket::new(1_000_000, late);
        assert_eq!((0..).take_while(|_| rested.take(10_000, idle).is_ok()).count(), 6);
    }

    #[test]
    fn paused_and_unlimited() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, now);
        assert_eq!(bucket.take(1, now + Duration::from_secs(9)), Err(Wait::Paused));
        bucket.set_rate(UNLIMITED, now);
        assert!((0..1000).all(|_| bucket.take(u64::MAX, now).is_ok()));
        bucket.set_rate(1, now);
        assert_eq!(bucket.take(1, now), Ok(()));
        assert_eq!(bucket.take(1, now), Err(Wait::For(Duration::from_secs(1))));
        bucket.give_back(1);
        bucket.charge(3, now);
        assert_eq!(bucket.take(1, now), Err(Wait::For(Duration::from_secs(3))));
        bucket.give_back(3);
        assert_eq!(bucket.take(1, now), Ok(()));
    }
}
