//! The tracker's samples, followed on the leader while there is a pool: one long poll at a time, the newest intervals kept until
//! the next, every pool woken when one is finished.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::RngExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::tracker::{Client, IntervalSamples, SamplesAnswer};

use super::Index;

/// Intervals that are kept: a pass that is late by one still sees all.
const KEPT: usize = 2;
/// How long the tracker may hold an answer back.
const WAIT: Duration = Duration::from_secs(30);
/// Pauses between tries while the tracker does not answer.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The intervals that were finished last.
#[derive(Debug, Default)]
pub struct Measured {
    inner: Mutex<Inner>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    epoch: Arc<str>,
    kept: VecDeque<Arc<IntervalSamples>>,
    newest: u64,
    health: Health,
}

/// How fresh the samples are.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// When the last interval arrived.
    pub arrived: Option<Instant>,
    /// Length of an interval.
    pub length: Duration,
    /// Why the tracker cannot be read, while it cannot.
    pub trouble: Option<String>,
}

impl Measured {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there is a pool to measure for.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// The kept intervals, oldest first, and the database that numbers them.
    #[must_use]
    pub fn kept(&self) -> (Arc<str>, Vec<Arc<IntervalSamples>>) {
        let inner = self.lock();
        (Arc::clone(&inner.epoch), inner.kept.iter().map(Arc::clone).collect())
    }

    /// How fresh they are.
    #[must_use]
    pub fn health(&self) -> Health {
        self.lock().health.clone()
    }

    /// Takes an answer in; whether there was anything new.
    fn take(&self, answer: SamplesAnswer, now: Instant) -> bool {
        let mut inner = self.lock();
        inner.health.trouble = None;
        if *inner.epoch != *answer.epoch {
            // Another database counts anew; the next question asks for all of it.
            let health = Health { trouble: None, ..inner.health.clone() };
            let first = inner.epoch.is_empty();
            *inner = Inner { epoch: answer.epoch.into(), health, ..Inner::default() };
            if !first {
                return false;
            }
        }
        let mut news = false;
        for interval in answer.intervals {
            if interval.interval <= inner.newest {
                continue;
            }
            inner.newest = interval.interval;
            inner.health.length = Duration::from_millis(interval.millis);
            inner.health.arrived = Some(now);
            inner.kept.push_back(Arc::new(interval));
            news = true;
        }
        while inner.kept.len() > KEPT {
            inner.kept.pop_front();
        }
        news
    }

    fn failed(&self, why: String) -> bool {
        self.lock().health.trouble.replace(why).is_none()
    }

    /// The newest interval that is known.
    fn newest(&self) -> u64 {
        self.lock().newest
    }
}

/// Follows the tracker's samples until `stop`, while there is a pool.
pub async fn follow_samples(index: Arc<Index>, tracker: Client, stop: CancellationToken) {
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        if index.pools.is_empty() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = index.measured.wanted.notified() => continue,
            }
        }
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tracker.samples(index.measured.newest(), WAIT) => answer,
        };
        let pause = match answer {
            Ok(answer) => {
                failures = 0;
                if index.measured.take(answer, Instant::now()) {
                    wake(&index);
                }
                Duration::ZERO
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(%error, failures, "failed to read samples, trying again");
                if index.measured.failed(error.to_string()) {
                    wake(&index);
                }
                let longest = LONGEST_PAUSE.min(PAUSE * 2_u32.saturating_pow(failures.min(8)));
                longest.mul_f64(rand::rng().random_range(0.5..=1.0))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn wake(index: &Index) {
    for pool in index.pools.names(None) {
        index.pool_wakes.push(&pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(epoch: &str, numbers: &[u64]) -> SamplesAnswer {
        let interval = |interval| IntervalSamples { interval, began: 0, millis: 5000, samples: Vec::new() };
        SamplesAnswer { epoch: epoch.into(), intervals: numbers.iter().copied().map(interval).collect() }
    }

    #[test]
    fn the_newest_are_kept_and_another_database_starts_over() {
        let (measured, now) = (Measured::default(), Instant::now());
        assert!(measured.take(answer("a", &[3, 4, 5]), now));
        assert!(!measured.take(answer("a", &[5]), now) && !measured.take(answer("a", &[]), now));
        let numbers = || measured.kept().1.iter().map(|kept| kept.interval).collect::<Vec<_>>();
        assert_eq!((numbers(), measured.newest()), (vec![4, 5], 5));
        assert!(measured.failed("no".into()) && !measured.failed("no".into()));
        // What came with the first answer of another database was asked for by the old one's numbers.
        assert!(!measured.take(answer("b", &[]), now));
        assert_eq!((numbers(), measured.newest()), (vec![], 0));
        assert!(measured.take(answer("b", &[1]), now) && measured.health().trouble.is_none());
    }
}
