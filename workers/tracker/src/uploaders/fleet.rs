//! The uploaders that report, and the table each is given: its part of the pools' tables in force, or, while there are none, an
//! equal share of its part of the egress capacity (and of that of pools whose tables have run out) over the contents it is asked for. Pure.

use std::{
    collections::HashMap,
    ops::Range,
    time::{Duration, Instant},
};

use videocloud_protocol::tracker::{SwarmRate, UploaderReport, UploaderSummary, UploaderSwarm, UploaderTable};

use super::assignment::Assignment;
use crate::{
    pools::Tables,
    swarms::{Roster, Seeder},
};

/// How long a table holds: three reports of 10 s.
const TTL: Duration = Duration::from_secs(30);
/// Most uploaders at a time.
const MAX_UPLOADERS: usize = 1000;
/// Most mirrors that are named.
const MAX_MIRRORS: usize = 64;

#[derive(Debug)]
struct Uploader {
    capacity: u64,
    heard: Instant,
    came: Instant,
    sent_bytes: u64,
    seeder: Seeder,
    endpoint: Option<String>,
    draining: bool,
    /// The assignment of its last table, and the generation it had.
    given: Option<(u64, u64)>,
}

/// All uploaders heard of lately.
#[derive(Debug)]
pub struct Fleet {
    egress_capacity: Option<u64>,
    uploaders: HashMap<String, Uploader>,
    generation: u64,
    sent_bytes: u64,
    tables: Tables,
    roster: Roster,
    assignment: Assignment,
}

/// More uploaders than one tracker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to take uploader report: {MAX_UPLOADERS} other uploaders are reporting")]
pub struct TooManyUploaders;

/// What comes of a report.
#[derive(Debug)]
pub struct Reported {
    /// The answer.
    pub table: UploaderTable,
    /// The time the report is about.
    pub span: Range<Instant>,
    /// Uploaders came, went or moved: peers are to be told of others.
    pub roster: Option<Roster>,
}

impl Fleet {
    /// Nobody heard of yet. `egress_capacity` bounds the sum over all uploaders while no table is in force, bytes per second;
    /// `starts` (of the tracker) keeps generations growing over restarts.
    #[must_use]
    pub fn new(egress_capacity: Option<u64>, starts: u64, tables: Tables) -> Self {
        Self {
            egress_capacity,
            uploaders: HashMap::new(),
            generation: starts << 40,
            sent_bytes: 0,
            tables,
            roster: Roster::default(),
            assignment: Assignment::default(),
        }
    }

    /// The pools' tables.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The pools' tables, to change them.
    pub const fn tables_mut(&mut self) -> &mut Tables {
        &mut self.tables
    }

    /// Uploaders whose table has not run out at `now`.
    #[must_use]
    pub fn live(&self, now: Instant) -> usize {
        self.uploaders.values().filter(|uploader| now.saturating_duration_since(uploader.heard) < TTL).count()
    }

    /// The uploaders whose table has not run out at `now`, by name.
    #[must_use]
    pub fn summaries(&self, now: Instant) -> Vec<UploaderSummary> {
        let live = self.uploaders.values().filter(|uploader| now.saturating_duration_since(uploader.heard) < TTL);
        let mut all: Vec<UploaderSummary> = live
            .map(|uploader| UploaderSummary {
                name: uploader.seeder.name.clone(),
                cluster: uploader.seeder.cluster.clone(),
                capacity: uploader.capacity,
                sent_bytes: uploader.sent_bytes,
                age_millis: u64::try_from(now.saturating_duration_since(uploader.came).as_millis()).unwrap_or(u64::MAX),
            })
            .collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Where clients reach the uploaders that stay, each place once.
    #[must_use]
    pub fn mirrors(&self) -> Vec<String> {
        let staying = self.uploaders.values().filter(|uploader| !uploader.draining);
        let mut mirrors: Vec<String> = staying.filter_map(|uploader| uploader.endpoint.clone()).collect();
        mirrors.sort_unstable();
        mirrors.dedup();
        mirrors.truncate(MAX_MIRRORS);
        mirrors
    }

    /// Bytes reported as sent since the start.
    #[must_use]
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Takes a report and answers with the uploader's next table. Without tables in force the parts of uploaders heard within the
    /// table's time to live add up to no more than the egress capacity; a newcomer's first table may add its part until the
    /// others report again.
    ///
    /// # Errors
    /// [`TooManyUploaders`].
    pub fn report(&mut self, name: &str, report: &UploaderReport, now: Instant) -> Result<Reported, TooManyUploaders> {
        self.uploaders.retain(|_, uploader| now.saturating_duration_since(uploader.heard) < TTL);
        if !self.uploaders.contains_key(name) && self.uploaders.len() >= MAX_UPLOADERS {
            return Err(TooManyUploaders);
        }
        let known = self.uploaders.get(name);
        let before = known.map(|uploader| (uploader.heard, uploader.given));
        let (came, sent_before) = known.map_or((now, 0), |uploader| (uploader.came, uploader.sent_bytes));
        let sent = |swarm: &UploaderSwarm| swarm.http_bytes.saturating_add(swarm.bittorrent_bytes);
        let sent = report.swarms.iter().fold(0_u64, |sum, swarm| sum.saturating_add(sent(swarm)));
        let (cluster, addresses) = (report.cluster.clone(), report.bittorrent.clone());
        let seeder = Seeder { name: name.to_owned(), cluster, addresses };
        let given = before.and_then(|(_, given)| given);
        let sent_bytes = sent_before.saturating_add(sent);
        let (capacity, endpoint, draining) = (report.capacity, report.endpoint.clone(), report.draining);
        let uploader = Uploader { capacity, heard: now, came, sent_bytes, seeder, endpoint, draining, given };
        self.uploaders.insert(name.to_owned(), uploader);
        self.sent_bytes = self.sent_bytes.saturating_add(sent);
        let roster = self.refresh(now);
        let table = match self.tables.lasts(now) {
            Some(lasts) => self.assigned(name, report, lasts),
            None => self.equal(name, report),
        };
        // The first report is about the time since the uploader began, which is at most one interval of reports.
        let begin = before.map_or_else(|| now.checked_sub(TTL / 3).unwrap_or(now), |(heard, _)| heard);
        Ok(Reported { table, span: begin..now, roster })
    }

    /// Brings owners and assignments up to date; gives the new roster when it changed.
    pub fn refresh(&mut self, now: Instant) -> Option<Roster> {
        let staying = self.uploaders.values().filter(|uploader| !uploader.draining);
        let mut seeders: Vec<Seeder> = staying.map(|uploader| uploader.seeder.clone()).collect();
        seeders.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let tables = self.tables.version(now);
        if self.assignment.tables == tables && self.roster.is_of(&seeders) {
            return None;
        }
        let capacities = self.uploaders.values().map(|uploader| (uploader.seeder.cluster.as_str(), uploader.capacity));
        let counts = Assignment::owners(&self.tables.rates(now), capacities);
        self.roster = Roster::new(self.roster.version + 1, seeders, counts);
        let number = self.assignment.number + 1;
        self.assignment = Assignment::make(number, tables, &self.tables, &self.roster, now);
        Some(self.roster.clone())
    }

    /// The uploader's part of the tables in force.
    fn assigned(&mut self, name: &str, report: &UploaderReport, lasts: Duration) -> UploaderTable {
        let number = self.assignment.number;
        let ttl_seconds = lasts.min(TTL).as_secs().max(1);
        let Some(uploader) = self.uploaders.get_mut(name) else { return UploaderTable::default() };
        if let Some((assignment, generation)) = uploader.given
            && assignment == number
            && report.generation == generation
        {
            return UploaderTable { generation, ttl_seconds, unchanged: true, ..UploaderTable::default() };
        }
        self.generation += 1;
        uploader.given = Some((number, self.generation));
        let part = self.assignment.of(name);
        UploaderTable {
            generation: self.generation,
            ttl_seconds,
            default_rate: part.default_rate,
            default_bittorrent: part.default_bittorrent,
            total: Some(part.total),
            fallback: part.fallback,
            rates: part.rates.clone(),
            unchanged: false,
        }
    }

    /// An equal share for each content that is asked for.
    fn equal(&mut self, name: &str, report: &UploaderReport) -> UploaderTable {
        self.generation += 1;
        if let Some(uploader) = self.uploaders.get_mut(name) {
            uploader.given = None;
        }
        let part = self.part(report.capacity);
        let asked = |swarm: &&UploaderSwarm| swarm.requests > 0 || swarm.http_bytes > 0;
        let peers = |swarm: &&UploaderSwarm| swarm.leechers > 0 || swarm.bittorrent_bytes > 0;
        // A content with viewers and peers counts twice: one share for each bucket.
        let mut http: Vec<_> = report.swarms.iter().filter(asked).map(|swarm| swarm.content).collect();
        let mut bittorrent: Vec<_> = report.swarms.iter().filter(peers).map(|swarm| swarm.content).collect();
        for contents in [&mut http, &mut bittorrent] {
            contents.sort_unstable();
            contents.dedup();
        }
        let busy = (http.len() + bittorrent.len()) as u64;
        let share = part / busy.max(1);
        let mut rates: Vec<SwarmRate> = Vec::with_capacity(http.len());
        rates.extend(http.into_iter().map(|content| SwarmRate { http: share, ..SwarmRate::new(content) }));
        for content in bittorrent {
            match rates.binary_search_by_key(&content, |rate| rate.content) {
                Ok(at) => rates[at].bittorrent = share,
                Err(at) => rates.insert(at, SwarmRate { bittorrent: share, ..SwarmRate::new(content) }),
            }
        }
        UploaderTable {
            generation: self.generation,
            ttl_seconds: TTL.as_secs(),
            // One more content would get this much if the table were made with it.
            default_rate: part / (busy + 1),
            default_bittorrent: part / (busy + 1),
            total: Some(part),
            fallback: None,
            rates,
            unchanged: false,
        }
    }

    /// What an uploader of `capacity` may send of the egress capacity, and of what pools may send whose tables have run out: whoever
    /// made them may be gone, but what they were made for is not to be exceeded.
    fn part(&self, capacity: u64) -> u64 {
        let Some(egress) = self.egress_capacity.into_iter().chain(self.tables.capacity()).min() else {
            return capacity;
        };
        let all: u128 = self.uploaders.values().map(|uploader| u128::from(uploader.capacity)).sum();
        let part = u128::from(egress) * u128::from(capacity) / all.max(1);
        capacity.min(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use videocloud_protocol::{
        ids::ContentId,
        tracker::{PoolRate, PoolTable},
    };

    use super::*;

    fn report(capacity: u64, contents: u8) -> UploaderReport {
        let content = |n| ContentId::from_bytes([n; 32]);
        let swarm = |n| UploaderSwarm { http_bytes: 1, requests: 1, ..UploaderSwarm::new(content(n)) };
        UploaderReport { capacity, swarms: (0..contents).map(swarm).collect(), ..UploaderReport::default() }
    }

    fn empty(egress_capacity: Option<u64>, starts: u64) -> Fleet {
        Fleet::new(egress_capacity, starts, Tables::default())
    }

    fn rate(content: u8, cluster: &str, bittorrent: u64) -> PoolRate {
        PoolRate {
            content: ContentId::from_bytes([content; 32]),
            cluster: cluster.to_owned(),
            bittorrent,
            http: 90,
            ceiling: 2 * bittorrent,
            marginal_milli: 7,
            dithered: false,
        }
    }

    #[test]
    fn tables_are_divided_among_owners_to_the_byte() {
        let (mut fleet, now) = (empty(None, 1), Instant::now());
        let in_cluster = |cluster: &str| UploaderReport { cluster: cluster.into(), ..report(1000, 0) };
        for (name, cluster) in [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")] {
            fleet.report(name, &in_cluster(cluster), now).unwrap();
        }
        // Content 1 needs three owners in x, for each should use half of itself for one swarm.
        let rates = vec![rate(1, "x", 1301), rate(2, "x", 100), rate(1, "y", 40)];
        let table =
            PoolTable { generation: 9, ttl_seconds: 20, unnamed: 400, unnamed_bittorrent: 40, capacity: 0, rates };
        fleet.tables_mut().put("p", Arc::new(table), now, Duration::from_secs(20)).unwrap();
        let mut sums = [0_u64; 4];
        for (name, cluster) in [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")] {
            let table = fleet.report(name, &in_cluster(cluster), now).unwrap().table;
            assert_eq!((table.ttl_seconds, table.default_rate, table.default_bittorrent), (20, 100, 10));
            // Contents it does not name share what is kept for them.
            let named: u64 = table.rates.iter().map(|rate| rate.http + rate.bittorrent).sum();
            assert_eq!((table.total, table.unchanged), (Some(named + 110), false));
            // Without the tracker each goes on within its share of the pool.
            assert_eq!(table.fallback, Some(2151 / 4));
            for rate in &table.rates {
                let row = usize::from(rate.content.as_bytes()[0] - 1) + 2 * usize::from(cluster == "y");
                sums[row] += rate.bittorrent;
                assert!(rate.ceiling >= rate.bittorrent && rate.bittorrent < 1000);
            }
            // Who says that it has the table gets no more than its life.
            let holds = UploaderReport { generation: table.generation, ..in_cluster(cluster) };
            let again = fleet.report(name, &holds, now).unwrap().table;
            assert!(again.unchanged && again.rates.is_empty() && again.generation == table.generation);
            // Who does not is told everything anew, under a newer generation.
            let anew = fleet.report(name, &in_cluster(cluster), now).unwrap().table;
            assert!(anew.rates == table.rates && anew.generation > table.generation);
        }
        assert_eq!(sums, [1301, 100, 40, 0]);
        // The table has run out: the pool's capacity is shared evenly.
        let late = fleet.report("a", &in_cluster("x"), now + Duration::from_secs(20)).unwrap().table;
        assert_eq!((late.rates.len(), late.ttl_seconds, late.default_rate), (0, 30, 2151 / 4));
    }

    #[test]
    fn parts_never_exceed_the_egress_capacity() {
        let mut fleet = empty(Some(1000), 1);
        let now = Instant::now();
        fleet.report("a", &report(900, 3), now).unwrap();
        fleet.report("b", &report(u64::MAX, 7), now).unwrap();
        let sum = |table: UploaderTable| table.rates.iter().map(|rate| rate.http).sum::<u64>();
        let a = sum(fleet.report("a", &report(900, 3), now).unwrap().table);
        let b = sum(fleet.report("b", &report(u64::MAX, 7), now).unwrap().table);
        assert!(a + b <= 1000, "{a} + {b}");
        // Alone again, "a" gets all it can send.
        assert_eq!(sum(fleet.report("a", &report(900, 3), now + TTL).unwrap().table), 900);
        assert_eq!(fleet.live(now + TTL), 1);
    }

    #[test]
    fn tables_that_ran_out_are_shared_evenly_and_not_exceeded() {
        let (mut fleet, now) = (empty(None, 1), Instant::now());
        let rates = vec![rate(1, "", 100)];
        let table =
            PoolTable { generation: 1, ttl_seconds: 20, unnamed: 7, unnamed_bittorrent: 3, capacity: 500, rates };
        fleet.tables_mut().put("p", Arc::new(table), now, Duration::from_secs(20)).unwrap();
        let later = now + Duration::from_secs(20);
        fleet.report("a", &report(1000, 1), later).unwrap();
        let b = fleet.report("b", &report(1000, 1), later).unwrap().table;
        let a = fleet.report("a", &report(1000, 1), later).unwrap().table;
        assert_eq!((a.total, b.total), (Some(250), Some(250)));
        // The pool is deleted: nobody is held to it any more.
        fleet.tables_mut().remove("p");
        assert_eq!(fleet.report("a", &report(1000, 1), later).unwrap().table.total, Some(1000));
    }

    #[test]
    fn who_drains_owns_nothing_and_is_no_mirror() {
        let (mut fleet, now) = (empty(None, 1), Instant::now());
        let at = |name: &str, draining| {
            let bittorrent = vec!["127.0.0.1:6881".parse().unwrap()];
            UploaderReport { endpoint: Some(format!("http://{name}/")), bittorrent, draining, ..report(1000, 0) }
        };
        fleet.report("a", &at("a", false), now).unwrap();
        let both = fleet.report("b", &at("b", false), now).unwrap().roster.unwrap();
        assert_eq!((both.len(), fleet.mirrors().len()), (2, 2));
        let table = PoolTable {
            generation: 1,
            ttl_seconds: 20,
            unnamed: 0,
            unnamed_bittorrent: 0,
            capacity: 0,
            rates: vec![rate(1, "", 100)],
        };
        fleet.tables_mut().put("p", Arc::new(table), now, Duration::from_secs(20)).unwrap();
        let left = fleet.report("a", &at("a", true), now).unwrap();
        assert_eq!(left.roster.unwrap().names().collect::<Vec<_>>(), ["b"]);
        assert_eq!((left.table.rates.len(), fleet.mirrors()), (0, vec!["http://b/".to_owned()]));
        let heir = fleet.report("b", &at("b", false), now).unwrap().table;
        assert_eq!(heir.rates.iter().map(|rate| rate.bittorrent).sum::<u64>(), 100);
    }

    #[test]
    fn generations_grow_over_restarts_and_nobody_divides_by_zero() {
        let now = Instant::now();
        let mut fleet = empty(None, 1);
        let first = fleet.report("a", &report(0, 0), now).unwrap().table;
        assert!(fleet.report("a", &report(10, 2), now).unwrap().table.generation > first.generation);
        let restarted = empty(None, 2).report("a", &report(10, 2), now).unwrap().table;
        assert!(restarted.generation > first.generation + 1);
        assert_eq!((restarted.rates.len(), restarted.rates[0].http, restarted.default_rate), (2, 5, 3));
    }
}
