//! The table in force: which rate a content has now. Tables come numbered and with a time to live; an older one is refused,
//! and when the last has run out a fallback rate holds until the next.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use videocloud_protocol::{ids::ContentId, tracker::UploaderTable};

use super::UNLIMITED;

/// Most contents one table may name.
pub const MAX_RATES: usize = 1_000_000;
/// Longest time to live that is believed: a table must not outlive its maker by long.
const MAX_TTL: Duration = Duration::from_secs(3600);

/// A table that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is older than the one in force.
    #[error("failed to take table {offered}: generation {current} is in force")]
    Old {
        /// Its generation.
        offered: u64,
        /// The one in force.
        current: u64,
    },
    /// It names too many contents.
    #[error("failed to take a table of {0} contents: at most {MAX_RATES}")]
    TooLarge(usize),
}

/// What one content may be sent at, bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Over HTTP.
    pub http: u64,
    /// To BitTorrent peers (S).
    pub bittorrent: u64,
    /// Most that the latter may grow to by borrowing; 0 for none.
    pub ceiling: u64,
    /// Weight times marginal gain, thousandths: who borrows first.
    pub marginal_milli: u32,
}

impl Rates {
    const fn of(http: u64, bittorrent: u64) -> Self {
        Self { http, bittorrent, ceiling: 0, marginal_milli: 0 }
    }
}

#[derive(Debug)]
struct InForce {
    generation: u64,
    until: Instant,
    default: Rates,
    total: u64,
    /// Of all contents together when it has run out.
    after: u64,
    rates: HashMap<ContentId, Rates>,
    /// The sum of what it gives BitTorrent, if anybody may borrow of it.
    borrowable: Option<u64>,
}

/// What holds, now and after.
#[derive(Debug)]
pub struct Allocation {
    fallback: Rates,
    table: Option<InForce>,
}

impl Allocation {
    /// No table yet: each content, and all together, at `fallback` bytes per second.
    #[must_use]
    pub const fn new(fallback: u64) -> Self {
        Self { fallback: Rates::of(fallback, fallback), table: None }
    }

    /// Takes a table.
    ///
    /// # Errors
    /// [`Refused`]; the one in force stays.
    pub fn take(&mut self, table: UploaderTable, now: Instant) -> Result<(), Refused> {
        if table.rates.len() > MAX_RATES {
            return Err(Refused::TooLarge(table.rates.len()));
        }
        if table.unchanged {
            return self.prolong(&table, now);
        }
        // A tracker that lost its memory counts from the start again: once the last table ran out, any is news.
        if let Some(current) = self.in_force(now).map(|current| current.generation)
            && table.generation <= current
        {
            return Err(Refused::Old { offered: table.generation, current });
        }
        let mut rates = HashMap::with_capacity(table.rates.len());
        let (mut sum, mut borrowing) = (0_u64, false);
        for rate in table.rates {
            sum = sum.saturating_add(rate.bittorrent);
            borrowing |= rate.ceiling > rate.bittorrent;
            let (ceiling, marginal_milli) = (rate.ceiling, rate.marginal_milli);
            rates.insert(rate.content, Rates { ceiling, marginal_milli, ..Rates::of(rate.http, rate.bittorrent) });
        }
        self.table = Some(InForce {
            generation: table.generation,
            until: now + Duration::from_secs(table.ttl_seconds).min(MAX_TTL),
            default: Rates::of(table.default_rate, table.default_bittorrent),
            total: table.total.unwrap_or(UNLIMITED),
            after: table.fallback.or(table.total).unwrap_or(UNLIMITED),
            rates,
            borrowable: borrowing.then_some(sum),
        });
        Ok(())
    }

    /// Bytes per second of a content at `now`.
    #[must_use]
    pub fn rates(&self, content: &ContentId, now: Instant) -> Rates {
        match self.in_force(now) {
            Some(table) => table.rates.get(content).copied().unwrap_or(table.default),
            None => self.fallback,
        }
    }

    /// Bytes per second of all contents together at `now`. What the last table leaves for the time after it holds on: others share the
    /// same capacity.
    #[must_use]
    pub fn total(&self, now: Instant) -> u64 {
        let last = || self.table.as_ref().map_or(UNLIMITED, |table| table.after).min(self.fallback.http);
        self.in_force(now).map_or_else(last, |table| table.total)
    }

    /// What the table in force gives BitTorrent in all; `None` without a table that lets anybody borrow.
    #[must_use]
    pub fn borrowable(&self, now: Instant) -> Option<u64> {
        self.in_force(now)?.borrowable
    }

    /// The table in force holds on.
    fn prolong(&mut self, table: &UploaderTable, now: Instant) -> Result<(), Refused> {
        match &mut self.table {
            Some(current) if current.generation == table.generation && now < current.until => {
                current.until = now + Duration::from_secs(table.ttl_seconds).min(MAX_TTL);
                Ok(())
            }
            current => {
                let current = current.as_ref().map_or(0, |current| current.generation);
                Err(Refused::Old { offered: table.generation, current })
            }
        }
    }

    /// Generation of the table in force; `None` when there is none.
    #[must_use]
    pub fn generation(&self, now: Instant) -> Option<u64> {
        self.in_force(now).map(|table| table.generation)
    }

    /// When the table in force runs out.
    #[must_use]
    pub fn ends(&self) -> Option<Instant> {
        self.table.as_ref().map(|table| table.until)
    }

    fn in_force(&self, now: Instant) -> Option<&InForce> {
        self.table.as_ref().filter(|table| now < table.until)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::tracker::SwarmRate;

    use super::*;

    fn content(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    fn table(generation: u64, http: u64) -> UploaderTable {
        let rates = vec![SwarmRate { http, ..SwarmRate::new(content(1)) }];
        UploaderTable { generation, ttl_seconds: 30, default_rate: 7, rates, ..UploaderTable::default() }
    }

    fn http(allocation: &Allocation, n: u8, now: Instant) -> u64 {
        allocation.rates(&content(n), now).http
    }

    #[test]
    fn a_table_that_is_unchanged_holds_on_and_no_other_does() {
        let (start, ttl) = (Instant::now(), Duration::from_secs(30));
        let mut allocation = Allocation::new(3);
        let again = |generation| UploaderTable { unchanged: true, rates: vec![], ..table(generation, 0) };
        assert_eq!(allocation.take(again(1), start), Err(Refused::Old { offered: 1, current: 0 }));
        allocation.take(table(5, 100), start).unwrap();
        allocation.take(again(5), start + ttl / 2).unwrap();
        assert_eq!(http(&allocation, 1, start + ttl), 100);
        assert!(allocation.take(again(6), start).is_err());
        // It has run out: what it said is not kept for ever.
        assert!(allocation.take(again(5), start + 2 * ttl).is_err());
        assert_eq!(allocation.rates(&content(1), start + 2 * ttl), Rates::of(3, 3));
    }

    #[test]
    fn a_table_holds_for_its_time_then_the_fallback() {
        let start = Instant::now();
        let mut allocation = Allocation::new(3);
        assert_eq!(http(&allocation, 1, start), 3);
        allocation.take(table(5, 100), start).unwrap();
        assert_eq!((http(&allocation, 1, start), http(&allocation, 2, start)), (100, 7));
        assert_eq!((allocation.total(start), allocation.total(start + Duration::from_secs(30))), (UNLIMITED, 3));
        assert_eq!(allocation.ends(), Some(start + Duration::from_secs(30)));
        assert_eq!(http(&allocation, 1, start + Duration::from_secs(30)), 3);
        // Others may hold the rest of the capacity still.
        allocation.take(UploaderTable { total: Some(2), ..table(6, 100) }, start).unwrap();
        assert_eq!((allocation.total(start), allocation.total(start + Duration::from_secs(30))), (2, 2));
        allocation.take(UploaderTable { total: Some(2), fallback: Some(1), ..table(7, 100) }, start).unwrap();
        assert_eq!((allocation.total(start), allocation.total(start + Duration::from_secs(30))), (2, 1));
    }

    #[test]
    fn older_tables_are_refused_until_the_newer_ran_out() {
        let start = Instant::now();
        let mut allocation = Allocation::new(3);
        allocation.take(table(5, 100), start).unwrap();
        assert_eq!(allocation.take(table(5, 1), start), Err(Refused::Old { offered: 5, current: 5 }));
        assert_eq!(http(&allocation, 1, start), 100);
        allocation.take(table(1, 50), start + Duration::from_secs(31)).unwrap();
        assert_eq!(http(&allocation, 1, start + Duration::from_secs(32)), 50);
    }

    #[test]
    fn absurd_times_to_live_are_cut() {
        let start = Instant::now();
        let mut allocation = Allocation::new(3);
        allocation.take(UploaderTable { ttl_seconds: u64::MAX, ..table(1, 9) }, start).unwrap();
        assert_eq!(http(&allocation, 1, start + MAX_TTL), 3);
    }
}
