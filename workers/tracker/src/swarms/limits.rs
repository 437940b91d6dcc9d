//! How often an address, and its network, may announce: counts in fixed memory without locks. Pure.
//!
//! A count-min sketch over windows of 10 s: two cells per key, and only when both are full is the key over its limit. Strangers
//! that share one cell do not suffer; an attacker cannot aim at cells, because the hash is keyed at start.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use ahash::RandomState;

use super::{interval::Millis, peer::network};

const CELLS: usize = 1 << 16;
/// Window, milliseconds.
const WINDOW: Millis = 10_000;
/// How many times an address's part a network may have.
const PER_NETWORK: u32 = 16;

/// Counts of the current window.
#[derive(Debug)]
pub struct Limits {
    /// Each holds the window's number (12 bits) and a count (20 bits).
    cells: Box<[AtomicU32]>,
    hasher: RandomState,
    most: u32,
}

impl Limits {
    /// At most `most` per address and window; 0 for no limit.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let cells = if most == 0 { 0 } else { CELLS };
        Self {
            cells: (0..cells).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            most: most.min((1 << 20) / PER_NETWORK - 1),
        }
    }

    /// Counts one more of `address` at `now`; whether it is within the limits.
    #[must_use]
    pub fn admit(&self, address: IpAddr, now: Millis) -> bool {
        if self.cells.is_empty() {
            return true;
        }
        let own = self.count(&address, now) <= self.most;
        // A refused address must not use up its network's part.
        own && self.count(&network(address), now) <= self.most * PER_NETWORK
    }

    fn count(&self, key: &impl std::hash::Hash, now: Millis) -> u32 {
        let hash = self.hasher.hash_one(key);
        let window = u32::try_from(now / WINDOW % (1 << 12)).unwrap_or_default() << 20;
        let cells = [hash, hash >> 32].map(|part| &self.cells[usize::try_from(part).unwrap_or_default() % CELLS]);
        cells.into_iter().map(|cell| bump(cell, window)).min().unwrap_or_default()
    }
}

/// The count with one more. Two threads may lose one of each other's: a limit need not be exact.
fn bump(cell: &AtomicU32, window: u32) -> u32 {
    const COUNT: u32 = (1 << 20) - 1;
    let before = cell.load(Ordering::Relaxed);
    let count = if before & !COUNT == window { (before & COUNT).min(COUNT - 1) + 1 } else { 1 };
    cell.store(window | count, Ordering::Relaxed);
    count
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_is_limited_its_neighbours_later_strangers_never() {
        let limits = Limits::new(10);
        let address = |c: u8, d: u8| IpAddr::V4(Ipv4Addr::new(192, 0, c, d));
        let admitted = |address: IpAddr, times: u32| (0..times).filter(|_| limits.admit(address, 1000)).count();
        assert_eq!(admitted(address(2, 1), 500), 10);
        let neighbours: usize = (2..=100).map(|d| admitted(address(2, d), 10)).sum();
        assert_eq!(neighbours, 150);
        assert_eq!(admitted(address(3, 1), 10), 10);
        // Another window.
        assert!(limits.admit(address(2, 1), 11_000));
        assert!(Limits::new(0).admit(address(2, 1), 0));
    }
}
