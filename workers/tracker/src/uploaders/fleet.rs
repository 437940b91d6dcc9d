//! The uploaders that report, and the equal-share table: each one's part of the egress capacity by what it can send, divided evenly
//! over the contents it is asked for. Pure; the bandwidth scheduler's tables take its place later.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use videocloud_protocol::tracker::{SwarmRate, UploaderReport, UploaderTable};

/// How long a table holds: three reports of 10 s.
const TTL: Duration = Duration::from_secs(30);
/// Most uploaders at a time.
const MAX_UPLOADERS: usize = 1000;

#[derive(Debug)]
struct Uploader {
    capacity: u64,
    heard: Instant,
}

/// All uploaders heard of lately.
#[derive(Debug)]
pub struct Fleet {
    egress_capacity: Option<u64>,
    uploaders: HashMap<String, Uploader>,
    generation: u64,
    sent_bytes: u64,
}

/// More uploaders than one tracker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to take uploader report: {MAX_UPLOADERS} other uploaders are reporting")]
pub struct TooManyUploaders;

impl Fleet {
    /// Nobody heard of yet. `egress_capacity` bounds the sum over all uploaders, bytes per second; `starts` (of the tracker) keeps
    /// generations growing over restarts.
    #[must_use]
    pub fn new(egress_capacity: Option<u64>, starts: u64) -> Self {
        Self { egress_capacity, uploaders: HashMap::new(), generation: starts << 40, sent_bytes: 0 }
    }

    /// Uploaders whose table has not run out at `now`.
    #[must_use]
    pub fn live(&self, now: Instant) -> usize {
        self.uploaders.values().filter(|uploader| now.saturating_duration_since(uploader.heard) < TTL).count()
    }

    /// Bytes reported as sent since the start.
    #[must_use]
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Takes a report and answers with the uploader's next table. The parts of uploaders heard within the table's time to live add
    /// up to no more than the egress capacity; a newcomer's first table may add its part until the others report again.
    ///
    /// # Errors
    /// [`TooManyUploaders`].
    pub fn report(
        &mut self,
        name: &str,
        report: &UploaderReport,
        now: Instant,
    ) -> Result<UploaderTable, TooManyUploaders> {
        self.uploaders.retain(|_, uploader| now.saturating_duration_since(uploader.heard) < TTL);
        if !self.uploaders.contains_key(name) && self.uploaders.len() >= MAX_UPLOADERS {
            return Err(TooManyUploaders);
        }
        self.uploaders.insert(name.to_owned(), Uploader { capacity: report.capacity, heard: now });
        let sent = report.swarms.iter().fold(0_u64, |sum, swarm| sum.saturating_add(swarm.http_bytes));
        self.sent_bytes = self.sent_bytes.saturating_add(sent);
        self.generation += 1;
        let part = self.part(report.capacity);
        let mut contents: Vec<_> = report
            .swarms
            .iter()
            .filter(|swarm| swarm.requests > 0 || swarm.http_bytes > 0)
            .map(|swarm| swarm.content)
            .collect();
        contents.sort_unstable();
        contents.dedup();
        let busy = contents.len() as u64;
        let share = part / busy.max(1);
        Ok(UploaderTable {
            generation: self.generation,
            ttl_seconds: TTL.as_secs(),
            // One more content would get this much if the table were made with it.
            default_rate: part / (busy + 1),
            rates: contents.into_iter().map(|content| SwarmRate { content, http: share }).collect(),
        })
    }

    /// What an uploader of `capacity` may send of the egress capacity.
    fn part(&self, capacity: u64) -> u64 {
        let Some(egress) = self.egress_capacity else { return capacity };
        let all: u128 = self.uploaders.values().map(|uploader| u128::from(uploader.capacity)).sum();
        let part = u128::from(egress) * u128::from(capacity) / all.max(1);
        capacity.min(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::{ids::ContentId, tracker::UploaderSwarm};

    use super::*;

    fn report(capacity: u64, contents: u8) -> UploaderReport {
        let swarm = |n| UploaderSwarm { content: ContentId::from_bytes([n; 32]), http_bytes: 1, requests: 1 };
        UploaderReport { capacity, swarms: (0..contents).map(swarm).collect(), endpoint: None }
    }

    #[test]
    fn parts_never_exceed_the_egress_capacity() {
        let mut fleet = Fleet::new(Some(1000), 1);
        let now = Instant::now();
        fleet.report("a", &report(900, 3), now).unwrap();
        fleet.report("b", &report(u64::MAX, 7), now).unwrap();
        let sum = |table: UploaderTable| table.rates.iter().map(|rate| rate.http).sum::<u64>();
        let a = sum(fleet.report("a", &report(900, 3), now).unwrap());
        let b = sum(fleet.report("b", &report(u64::MAX, 7), now).unwrap());
        assert!(a + b <= 1000, "{a} + {b}");
        // Alone again, "a" gets all it can send.
        assert_eq!(sum(fleet.report("a", &report(900, 3), now + TTL).unwrap()), 900);
        assert_eq!(fleet.live(now + TTL), 1);
    }

    #[test]
    fn generations_grow_over_restarts_and_nobody_divides_by_zero() {
        let now = Instant::now();
        let mut fleet = Fleet::new(None, 1);
        let first = fleet.report("a", &report(0, 0), now).unwrap();
        assert!(fleet.report("a", &report(10, 2), now).unwrap().generation > first.generation);
        let restarted = Fleet::new(None, 2).report("a", &report(10, 2), now).unwrap();
        assert!(restarted.generation > first.generation + 1);
        assert_eq!((restarted.rates.len(), restarted.rates[0].http, restarted.default_rate), (2, 5, 3));
    }
}
