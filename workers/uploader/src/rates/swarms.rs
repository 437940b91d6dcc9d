//! What is being sent now: per content one gate for BitTorrent and one for HTTP, and counters, under one gate for the whole uploader.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use videocloud_protocol::{
    ids::ContentId,
    tracker::{UploaderSwarm, UploaderTable},
};

use super::{Allocation, Meter, Sending, allocation::Refused, gate::Gate, lending::Lending, sending::Share};

/// Most contents in one report, as the tracker takes them.
const MAX_REPORTED: usize = 100_000;

/// One content as it is sent: its gates, and what to report of it.
#[derive(Debug)]
pub struct Swarm {
    content: ContentId,
    http: Gate,
    bittorrent: Gate,
    sent_http: AtomicU64,
    sent_bittorrent: AtomicU64,
    have: AtomicU64,
    requests: AtomicU32,
    leechers: AtomicU32,
    seeders: AtomicU32,
    /// Bytes to BitTorrent peers since lending was last decided, and whether anybody waited.
    pub(super) lately: AtomicU64,
}

impl Swarm {
    fn new(content: ContentId) -> Self {
        Self {
            content,
            http: Gate::new(0),
            bittorrent: Gate::new(0),
            sent_http: AtomicU64::new(0),
            sent_bittorrent: AtomicU64::new(0),
            have: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            leechers: AtomicU32::new(0),
            seeders: AtomicU32::new(0),
            lately: AtomicU64::new(0),
        }
    }

    /// Which content.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.content
    }

    pub(super) const fn gate(&self, share: Share) -> &Gate {
        match share {
            Share::Http => &self.http,
            Share::BitTorrent => &self.bittorrent,
        }
    }

    pub(super) fn count(&self, share: Share, bytes: u64) {
        match share {
            Share::Http => self.sent_http.fetch_add(bytes, Ordering::Relaxed),
            Share::BitTorrent => {
                self.lately.fetch_add(bytes, Ordering::Relaxed);
                self.sent_bittorrent.fetch_add(bytes, Ordering::Relaxed)
            }
        };
    }

    pub(super) fn request(&self, begins: bool) {
        if begins {
            self.requests.fetch_add(1, Ordering::Relaxed);
        } else {
            self.requests.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Peers came to have `bytes`.
    pub fn had(&self, bytes: u64) {
        self.have.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many connected peers lack something, and so many lack nothing.
    pub fn peers(&self, leechers: u32, seeders: u32) {
        self.leechers.store(leechers, Ordering::Relaxed);
        self.seeders.store(seeders, Ordering::Relaxed);
    }

    fn take(&self) -> UploaderSwarm {
        UploaderSwarm {
            content: self.content,
            http_bytes: self.sent_http.swap(0, Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            bittorrent_bytes: self.sent_bittorrent.swap(0, Ordering::Relaxed),
            have_bytes: self.have.swap(0, Ordering::Relaxed),
            leechers: self.leechers.load(Ordering::Relaxed),
            seeders: self.seeders.load(Ordering::Relaxed),
        }
    }

    fn put_back(&self, count: &UploaderSwarm) {
        self.sent_http.fetch_add(count.http_bytes, Ordering::Relaxed);
        self.sent_bittorrent.fetch_add(count.bittorrent_bytes, Ordering::Relaxed);
        self.have.fetch_add(count.have_bytes, Ordering::Relaxed);
    }
}

/// All contents being sent, and the table they are held to.
#[derive(Debug)]
pub struct Swarms {
    capacity: u64,
    /// What the network carries, and what the table gives all contents together.
    total: Arc<Gate>,
    granted: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allocation: Allocation,
    active: HashMap<ContentId, Arc<Swarm>>,
    lending: Lending,
}

impl Swarms {
    /// Nothing being sent. `capacity` bounds all connections together, headers included, and `fallback` each one while no table holds, bytes per
    /// second.
    #[must_use]
    pub fn new(capacity: u64, fallback: u64) -> Self {
        let allocation = Allocation::new(fallback);
        let state = State { allocation, active: HashMap::new(), lending: Lending::default() };
        let (total, granted) = (Arc::new(Gate::new(capacity)), Arc::new(Gate::new(fallback)));
        Self { capacity, total, granted, state: Mutex::new(state) }
    }

    /// Begins a request on a content, paid from `share`.
    #[must_use]
    pub fn send(&self, content: ContentId, share: Share) -> Sending {
        let swarm = self.with(|state| {
            let rates = state.allocation.rates(&content, Instant::now());
            let swarm = state.active.entry(content).or_insert_with(|| {
                let swarm = Swarm::new(content);
                swarm.http.set_rate(rates.http);
                swarm.bittorrent.set_rate(rates.bittorrent);
                Arc::new(swarm)
            });
            Arc::clone(swarm)
        });
        Sending::new(swarm, Arc::clone(&self.granted), share)
    }

    /// The meter of a connection, which came by IPv6 or by IPv4.
    #[must_use]
    pub fn meter(&self, v6: bool) -> Arc<Meter> {
        Arc::new(Meter::new(Arc::clone(&self.total), v6))
    }

    /// Most that all contents may be sent at, bytes per second.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Takes what was sent since the last call, and forgets contents nobody asks for any more.
    #[must_use]
    pub fn take_counts(&self) -> Vec<UploaderSwarm> {
        self.with(|state| {
            let mut counts = Vec::new();
            state.active.retain(|_, swarm| {
                if counts.len() >= MAX_REPORTED {
                    return true;
                }
                let count = swarm.take();
                let busy = count != UploaderSwarm::new(swarm.content);
                if busy {
                    counts.push(count);
                }
                // Whoever holds it is about to send, whatever the counters say.
                busy || Arc::strong_count(swarm) > 1
            });
            counts
        })
    }

    /// Puts back counts that could not be reported.
    pub fn put_back(&self, counts: Vec<UploaderSwarm>) {
        self.with(|state| {
            for count in counts {
                if let Some(swarm) = state.active.get(&count.content) {
                    swarm.put_back(&count);
                }
            }
        });
    }

    /// Takes a table and holds what is being sent to it.
    ///
    /// # Errors
    /// [`Refused`]; the one in force stays.
    pub fn take_table(&self, table: UploaderTable) -> Result<(), Refused> {
        self.with(|state| {
            state.allocation.take(table, Instant::now())?;
            state.enforce(&self.granted);
            Ok(())
        })
    }

    /// How long the table in force lasts; `None` when there is none.
    #[must_use]
    pub fn table_lasts(&self) -> Option<Duration> {
        let now = Instant::now();
        self.with(|state| state.allocation.ends()?.checked_duration_since(now))
    }

    /// Holds what is being sent to what holds now: to be called when a table ran out.
    pub fn enforce(&self) {
        self.with(|state| state.enforce(&self.granted));
    }

    /// Lends what swarms leave unused to those that may borrow; to be called every [`super::lending::EVERY`].
    pub fn lend(&self) {
        self.with(|state| {
            let State { allocation, active, lending } = state;
            lending.decide(allocation, active, self.capacity);
        });
    }

    /// Generation of the table in force.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.with(|state| state.allocation.generation(Instant::now()))
    }

    /// Contents being sent or sent since the last report.
    #[must_use]
    pub fn active(&self) -> usize {
        self.with(|state| state.active.len())
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn enforce(&mut self, granted: &Gate) {
        let now = Instant::now();
        granted.set_rate(self.allocation.total(now));
        for swarm in self.active.values() {
            let rates = self.allocation.rates(&swarm.content, now);
            swarm.http.set_rate(rates.http);
            swarm.bittorrent.set_rate(rates.bittorrent);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::tracker::SwarmRate;

    use super::{super::UNLIMITED, *};

    fn content(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    #[test]
    fn counts_are_reported_once_and_lost_never() {
        let swarms = Swarms::new(UNLIMITED, UNLIMITED);
        let (sending, meter) = (swarms.send(content(1), Share::Http), swarms.meter(false));
        sending.sent(&meter, 10, 10);
        let seeding = swarms.send(content(1), Share::BitTorrent);
        seeding.sent(&meter, 7, 7);
        seeding.swarm().had(5);
        let counts = swarms.take_counts();
        let expected = UploaderSwarm {
            http_bytes: 10,
            requests: 1,
            bittorrent_bytes: 7,
            have_bytes: 5,
            ..UploaderSwarm::new(content(1))
        };
        assert_eq!(counts.as_slice(), std::slice::from_ref(&expected));
        swarms.put_back(counts);
        drop((sending, seeding));
        assert_eq!(swarms.take_counts(), [UploaderSwarm { requests: 0, ..expected }]);
        assert!(swarms.take_counts().is_empty());
        assert_eq!(swarms.active(), 0);
    }

    #[tokio::test]
    async fn a_table_frees_and_holds_those_who_wait() {
        let swarms = Arc::new(Swarms::new(UNLIMITED, 0));
        let (sending, meter) = (swarms.send(content(1), Share::Http), swarms.meter(false));
        assert_eq!(sending.try_pass(&meter, 4096), None);
        let other = Arc::clone(&meter);
        let waiting = tokio::spawn(async move { sending.pass(&other, 4096).await });
        tokio::task::yield_now().await;
        let rates = vec![SwarmRate { http: 10_000, bittorrent: 0, ..SwarmRate::new(content(1)) }];
        swarms.take_table(UploaderTable { generation: 1, ttl_seconds: 30, rates, ..UploaderTable::default() }).unwrap();
        assert_eq!(waiting.await.unwrap(), 512);
        assert_eq!(swarms.send(content(1), Share::BitTorrent).try_pass(&meter, 1), None);
        assert_eq!(swarms.send(content(2), Share::Http).try_pass(&meter, 1), None);
    }

    #[test]
    fn what_is_not_sent_is_given_back() {
        let swarms = Swarms::new(1_000_000, 1_000_000);
        let (sending, meter) = (swarms.send(content(1), Share::Http), swarms.meter(false));
        let allowed = sending.try_pass(&meter, 100_000).unwrap();
        assert_eq!(allowed, 10_000);
        assert_eq!(sending.try_pass(&meter, 1), None);
        sending.sent(&meter, allowed, 0);
        assert!(sending.try_pass(&meter, 1).is_some());
    }
}
