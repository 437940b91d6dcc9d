//! A bucket that many senders wait at, each in turn, one piece a time: round robin, as each asks again for its next piece.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::{Mutex as Turn, Notify};

use super::bucket::{Bucket, Wait};

/// A bucket with a queue. Whoever stops waiting (its connection ended) leaves the queue and takes nothing.
#[derive(Debug)]
pub struct Gate {
    bucket: Mutex<Bucket>,
    turn: Turn<()>,
    changed: Notify,
}

impl Gate {
    /// A gate of `rate` bytes per second.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        Self { bucket: Mutex::new(Bucket::new(rate, Instant::now())), turn: Turn::new(()), changed: Notify::new() }
    }

    /// Bytes per second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.with(|bucket| bucket.rate())
    }

    /// Changes the rate, for those who wait already as well.
    pub fn set_rate(&self, rate: u64) {
        if self.rate() != rate {
            self.with(|bucket| bucket.set_rate(rate, Instant::now()));
            self.changed.notify_waiters();
        }
    }

    /// Takes at once the bytes that `piece` gives for the rate, if nobody waits and there is no debt; returns how many.
    #[must_use]
    pub fn try_pass(&self, piece: impl Fn(u64) -> u64) -> Option<u64> {
        let _turn = self.turn.try_lock().ok()?;
        self.take(&piece).ok()
    }

    /// Waits for the turn and for the debt to be paid, then takes the bytes that `piece` gives for the rate of that moment: what a high
    /// rate would have given is not held against a low one. Returns how many.
    pub async fn pass(&self, piece: impl Fn(u64) -> u64) -> u64 {
        let _turn = self.turn.lock().await;
        loop {
            // Registered before the look at the bucket, so that no change falls between the two.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.take(&piece) {
                Ok(bytes) => return bytes,
                Err(Wait::Paused) => changed.await,
                // Ends early on a change, and at its time otherwise: both mean looking again.
                Err(Wait::For(wait)) => drop(tokio::time::timeout(wait, changed).await),
            }
        }
    }

    /// Takes `bytes`, debt or not: they are sent already.
    pub fn charge(&self, bytes: u64) {
        self.with(|bucket| bucket.charge(bytes, Instant::now()));
    }

    /// Gives back what was taken and not sent.
    pub fn give_back(&self, bytes: u64) {
        self.with(|bucket| bucket.give_back(bytes));
    }

    fn take(&self, piece: &impl Fn(u64) -> u64) -> Result<u64, Wait> {
        self.with(|bucket| {
            let bytes = piece(bucket.rate());
            bucket.take(bytes, Instant::now()).map(|()| bytes)
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Bucket) -> T) -> T {
        f(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_takes_what_the_rate_of_his_turn_gives() {
        let gate = Gate::new(100_000_000);
        gate.charge(500_000_000);
        let mut waiting = Box::pin(gate.pass(|rate| rate / 100));
        assert_eq!((&mut waiting).now_or_never(), None);
        gate.set_rate(10_000);
        assert_eq!(waiting.await, 100);
    }
}
