//! Addresses of peers: which to try next, which to leave alone. Pure.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::peer::PeerEnd;
use crate::schedule::Time;

/// Most addresses remembered.
const MAX_KNOWN: usize = 4000;
/// Most addresses of one machine: a tracker may name one host a thousand times.
const MAX_PER_HOST: usize = 32;
/// Pause after a peer did not answer, four times as long each time; after [`MAX_FAILURES`] it is not tried again until somebody names it anew.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_FAILURES: u32 = 4;
/// Pause after a peer was of no use.
const USELESS: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Busy,
    Resting(Time),
    Banned,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    state: State,
    failures: u32,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Pool {
    entries: HashMap<SocketAddr, Entry>,
    queue: VecDeque<SocketAddr>,
    per_host: HashMap<IpAddr, usize>,
}

impl Pool {
    /// Somebody named `address`. Addresses beyond the limits are left out.
    pub(super) fn add(&mut self, address: SocketAddr) {
        if self.entries.contains_key(&address) || self.entries.len() >= MAX_KNOWN || address.port() == 0 {
            return;
        }
        let of_host = self.per_host.entry(address.ip()).or_default();
        if *of_host >= MAX_PER_HOST {
            return;
        }
        *of_host += 1;
        self.entries.insert(address, Entry { state: State::Waiting, failures: 0 });
        self.queue.push_back(address);
    }

    /// The next address to connect to.
    pub(super) fn next(&mut self, now: Time) -> Option<SocketAddr> {
        if let Some(address) = self.queue.pop_front() {
            self.set(address, State::Busy);
            return Some(address);
        }
        let rested = |(_, entry): &(&SocketAddr, &Entry)| matches!(entry.state, State::Resting(until) if until <= now);
        let address = self.entries.iter().filter(rested).min_by_key(|(_, entry)| entry.failures).map(|(at, _)| *at)?;
        self.set(address, State::Busy);
        Some(address)
    }

    /// How it ended with `address`.
    pub(super) fn ended(&mut self, now: Time, address: SocketAddr, end: &PeerEnd) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        entry.state = match end {
            PeerEnd::Stopped => State::Waiting,
            PeerEnd::Useless => State::Resting(now + USELESS),
            PeerEnd::Lost { answered: true } => {
                let pause = Duration::from_secs(1 << entry.failures.min(8));
                entry.failures += 1;
                State::Resting(now + pause)
            }
            PeerEnd::Lost { answered: false } if entry.failures + 1 < MAX_FAILURES => {
                let pause = PAUSE * 4_u32.pow(entry.failures);
                entry.failures += 1;
                State::Resting(now + pause)
            }
            PeerEnd::Banned => State::Banned,
            PeerEnd::Lost { .. } => {
                self.forget(address);
                return;
            }
        };
        if *end == PeerEnd::Stopped {
            self.queue.push_back(address);
        }
    }

    /// Addresses known, banned ones not counted.
    pub(super) fn known(&self) -> usize {
        self.entries.values().filter(|entry| entry.state != State::Banned).count()
    }

    fn set(&mut self, address: SocketAddr, state: State) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = state;
        }
    }

    fn forget(&mut self, address: SocketAddr) {
        self.entries.remove(&address);
        if let Some(count) = self.per_host.get_mut(&address.ip()) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    #[test]
    fn each_address_is_tried_once_and_rests_after_a_failure() {
        let mut pool = Pool::default();
        for address in [at(1, 1), at(2, 2), at(1, 1), at(3, 0)] {
            pool.add(address);
        }
        let zero = Time::ZERO;
        assert_eq!([pool.next(zero), pool.next(zero), pool.next(zero)], [Some(at(1, 1)), Some(at(2, 2)), None]);
        pool.ended(zero, at(1, 1), &PeerEnd::Lost { answered: false });
        pool.ended(zero, at(2, 2), &PeerEnd::Banned);
        assert_eq!(pool.next(zero), None);
        assert_eq!(pool.next(Duration::from_secs(3600)), Some(at(1, 1)));
        assert_eq!(pool.next(Duration::from_secs(3600)), None);
        for _ in 0..MAX_FAILURES {
            pool.ended(zero, at(1, 1), &PeerEnd::Lost { answered: false });
        }
        assert_eq!(pool.known(), 0);
        // Banned stays banned, forgotten may be named anew.
        pool.add(at(2, 2));
        pool.add(at(1, 1));
        assert_eq!([pool.next(zero), pool.next(zero)], [Some(at(1, 1)), None]);
    }

    #[test]
    fn floods_are_bounded() {
        let mut pool = Pool::default();
        (1..=5000).for_each(|port| pool.add(at(1, port)));
        assert_eq!(pool.known(), MAX_PER_HOST);
        (0..250).flat_map(|host| (1..40).map(move |port| at(host, port))).for_each(|address| pool.add(address));
        assert_eq!(pool.known(), MAX_KNOWN);
    }
}
