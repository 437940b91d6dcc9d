//! Whether a connection makes progress: what its two ends count, and the judgement when a reader is too slow to keep.
//!
//! The socket counts the bytes it accepted; the bodies on the connection say while they exist, and when they wait for
//! something that is not the reader's fault (their turn to send, the store). Pure, but for the atomics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often a connection is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A reader that takes fewer bytes than this between two looks is stuck or playing for time (1.6 kB/s: far below any
/// playback).
const LEAST_BYTES: u64 = 16 << 10;
/// Looks in a row at which it may be stuck before it is cut: a player that pauses is not cut at once.
const PATIENCE: u32 = 3;

/// Counters of one connection.
#[derive(Debug, Default)]
pub struct Pulse {
    requests: AtomicU32,
    written: AtomicU64,
    /// The socket has more to take and no room: the last bytes of an answer whose body has ended.
    blocked: AtomicBool,
    bodies: AtomicU32,
    /// Grows with each wait for a turn.
    waits: AtomicU64,
    waiting: AtomicU32,
}

impl Pulse {
    /// The head of a request arrived whole.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The socket took `bytes`.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.blocked.store(false, Ordering::Relaxed);
    }

    /// The socket had no room.
    pub fn blocked(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }

    /// Bytes the socket took so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// A body begins; it ends when the answer is dropped.
    #[must_use]
    pub fn body(self: &Arc<Self>) -> Body {
        self.bodies.fetch_add(1, Ordering::Relaxed);
        Body(Arc::clone(self))
    }
}

/// A body under way.
#[derive(Debug)]
pub struct Body(Arc<Pulse>);

impl Body {
    /// The body waits for its turn to send until the guard is dropped. Nothing is held against its reader for a while.
    #[must_use]
    pub fn paced(&self) -> Waiting {
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        self.reads()
    }

    /// The body waits for the store until the guard is dropped. Reads are many and short, so only one that lasts counts.
    #[must_use]
    pub fn reads(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.0))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A wait under way.
#[derive(Debug)]
pub struct Waiting(Arc<Pulse>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// No request came in [`LOOK_EVERY`], or only part of one.
    Silent,
    /// The reader has been stuck for [`PATIENCE`] looks.
    Stuck,
}

/// Looks at a pulse now and then, and tells when to cut the connection.
#[derive(Debug, Default)]
pub struct Watch {
    written: u64,
    waits: u64,
    stuck: u32,
}

impl Watch {
    /// To be called every [`LOOK_EVERY`].
    pub fn look(&mut self, pulse: &Pulse) -> Option<Cut> {
        if pulse.requests.load(Ordering::Relaxed) == 0 {
            return Some(Cut::Silent);
        }
        let (written, waits) = (pulse.written(), pulse.waits.load(Ordering::Relaxed));
        let idle = pulse.bodies.load(Ordering::Relaxed) == 0 && !pulse.blocked.load(Ordering::Relaxed);
        let ours = waits != self.waits || pulse.waiting.load(Ordering::Relaxed) > 0;
        let moved = written.wrapping_sub(self.written) >= LEAST_BYTES;
        self.stuck = if idle || ours || moved { 0 } else { self.stuck + 1 };
        (self.written, self.waits) = (written, waits);
        (self.stuck >= PATIENCE).then_some(Cut::Stuck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks before a cut, at most 10, with `between` done before each.
    fn looks(pulse: &Arc<Pulse>, mut between: impl FnMut()) -> Option<u32> {
        let mut watch = Watch { written: pulse.written(), waits: pulse.waits.load(Ordering::Relaxed), stuck: 0 };
        (1..=10).find(|_| {
            between();
            watch.look(pulse) == Some(Cut::Stuck)
        })
    }

    #[test]
    fn readers_that_do_not_read_are_cut_and_no_others() {
        let pulse = Arc::new(Pulse::default());
        assert_eq!(Watch::default().look(&pulse), Some(Cut::Silent));
        pulse.request();
        assert_eq!(looks(&pulse, || ()), None, "idle between requests");
        let body = pulse.body();
        assert_eq!(looks(&pulse, || ()), Some(PATIENCE));
        assert_eq!(looks(&pulse, || pulse.wrote(100)), Some(PATIENCE), "a trickle");
        assert_eq!(looks(&pulse, || pulse.wrote(1 << 20)), None, "reading");
        assert_eq!(looks(&pulse, || drop(body.paced())), None, "paced in pieces");
        assert_eq!(looks(&pulse, || drop(body.reads())), Some(PATIENCE), "short reads");
        let wait = body.reads();
        assert_eq!(looks(&pulse, || ()), None, "waiting for the store");
        drop(wait);
        drop(body);
        assert_eq!(looks(&pulse, || ()), None);
        pulse.blocked();
        assert_eq!(looks(&pulse, || ()), Some(PATIENCE), "the end of an answer is stuck");
    }
}
