//! The tables in force, in memory. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use videocloud_protocol::{
    ids::ContentId,
    tracker::{PoolRate, PoolTable},
};

use crate::swarms::{Allocated, Allocations};

/// A table older than the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to take generation {offered}: generation {current} is in force")]
pub struct Refused {
    /// Its generation.
    pub offered: u64,
    /// The one in force.
    pub current: u64,
}

#[derive(Debug, Clone)]
struct InForce {
    table: Arc<PoolTable>,
    until: Instant,
    /// Bytes per second its pool may send in all.
    capacity: u64,
}

/// Tables by pool.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pools: BTreeMap<String, InForce>,
    /// Grows with each change.
    version: u64,
}

impl Tables {
    /// Takes a table that holds for `ttl` from `now`. The generation in force again changes nothing: it was sent twice.
    ///
    /// # Errors
    /// [`Refused`] when a newer one is in force, or was before it ran out.
    pub fn put(&mut self, pool: &str, table: Arc<PoolTable>, now: Instant, ttl: Duration) -> Result<(), Refused> {
        let current = self.generation(pool);
        if table.generation < current {
            return Err(Refused { offered: table.generation, current });
        }
        if table.generation > current || !self.pools.contains_key(pool) {
            let capacity = table.capacity.max(total(&table));
            self.pools.insert(pool.to_owned(), InForce { table, until: now + ttl, capacity });
            self.version += 1;
        }
        Ok(())
    }

    /// Forgets a pool.
    pub fn remove(&mut self, pool: &str) {
        if self.pools.remove(pool).is_some() {
            self.version += 1;
        }
    }

    /// The generation put last; 0 for none.
    #[must_use]
    pub fn generation(&self, pool: &str) -> u64 {
        self.pools.get(pool).map_or(0, |held| held.table.generation)
    }

    /// The table put last, in force or not.
    #[must_use]
    pub fn get(&self, pool: &str) -> Option<Arc<PoolTable>> {
        self.pools.get(pool).map(|held| Arc::clone(&held.table))
    }

    /// Says when something changed: tables put, removed, or run out.
    #[must_use]
    pub fn version(&self, now: Instant) -> (u64, usize) {
        (self.version, self.in_force(now).count())
    }

    /// How long all tables hold that are in force; `None` when none is.
    #[must_use]
    pub fn lasts(&self, now: Instant) -> Option<Duration> {
        self.in_force(now).map(|held| held.until - now).min()
    }

    /// The rates in force, by content and cluster. A content in two pools gets the first's.
    #[must_use]
    pub fn rates(&self, now: Instant) -> HashMap<(ContentId, &str), &PoolRate> {
        let mut rates = HashMap::new();
        for rate in self.in_force(now).flat_map(|held| &held.table.rates) {
            rates.entry((rate.content, rate.cluster.as_str())).or_insert(rate);
        }
        rates
    }

    /// Bytes per second over HTTP for all contents that no table names.
    #[must_use]
    pub fn unnamed(&self, now: Instant) -> u64 {
        self.in_force(now).fold(0, |sum, held| sum.saturating_add(held.table.unnamed))
    }

    /// Bytes per second to BitTorrent peers, in all, for contents that no table names.
    #[must_use]
    pub fn unnamed_bittorrent(&self, now: Instant) -> u64 {
        self.in_force(now).fold(0, |sum, held| sum.saturating_add(held.table.unnamed_bittorrent))
    }

    /// Bytes per second that the pools may send in all, whose tables are in force or were; `None` without any.
    #[must_use]
    pub fn capacity(&self) -> Option<u64> {
        self.pools.values().map(|held| held.capacity).reduce(u64::saturating_add)
    }

    /// The pools and the generations of their tables, in force or not.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.pools.iter().map(|(name, held)| (name.as_str(), held.table.generation))
    }

    /// What samples say of the tables.
    #[must_use]
    pub fn allocations(&self, now: Instant) -> Allocations {
        let mut allocations = Allocations::default();
        for ((content, _), rate) in self.rates(now) {
            let allocated: &mut Allocated = allocations.rates.entry(content).or_default();
            allocated.bittorrent = allocated.bittorrent.saturating_add(rate.bittorrent);
            allocated.dithered |= rate.dithered;
        }
        allocations.generation = self.in_force(now).map(|held| held.table.generation).max().unwrap_or(0);
        allocations
    }

    fn in_force(&self, now: Instant) -> impl Iterator<Item = &InForce> {
        self.pools.values().filter(move |held| held.until > now)
    }
}

/// Bytes per second that it gives.
fn total(table: &PoolTable) -> u64 {
    let named = table.rates.iter().map(|rate| rate.bittorrent.saturating_add(rate.http));
    named.fold(table.unnamed.saturating_add(table.unnamed_bittorrent), u64::saturating_add)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(generation: u64, content: u8, bittorrent: u64) -> Arc<PoolTable> {
        let content = ContentId::from_bytes([content; 32]);
        let rate = PoolRate {
            content,
            cluster: String::new(),
            bittorrent,
            http: 0,
            ceiling: 0,
            marginal_milli: 0,
            dithered: false,
        };
        Arc::new(PoolTable {
            generation,
            ttl_seconds: 30,
            unnamed: 5,
            unnamed_bittorrent: 3,
            capacity: 0,
            rates: vec![rate],
        })
    }

    #[test]
    fn older_tables_are_refused_even_after_the_newer_ran_out() {
        let (mut tables, now, ttl) = (Tables::default(), Instant::now(), Duration::from_secs(30));
        tables.put("a", table(5, 1, 10), now, ttl).unwrap();
        assert_eq!(tables.put("a", table(4, 1, 99), now, ttl), Err(Refused { offered: 4, current: 5 }));
        // The same again neither changes it nor lengthens its life.
        tables.put("a", table(5, 1, 77), now + ttl / 2, ttl).unwrap();
        assert_eq!(tables.allocations(now).rates.values().map(|rate| rate.bittorrent).sum::<u64>(), 10);
        assert_eq!(tables.lasts(now), Some(ttl));
        let later = now + ttl;
        assert_eq!((tables.lasts(later), tables.unnamed(later), tables.rates(later).len()), (None, 0, 0));
        assert_eq!(tables.capacity(), Some(18));
        assert!(tables.put("a", table(4, 1, 99), later, ttl).is_err());
        tables.put("a", table(6, 1, 20), later, ttl).unwrap();
        assert_eq!(tables.unnamed(later), 5);
    }
}
