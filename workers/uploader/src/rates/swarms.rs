//! What is being sent now: one gate and one pair of counters per content, under one gate for the whole uploader.

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

use super::{Allocation, UNLIMITED, allocation::Refused, gate::Gate};

/// Most contents in one report, as the tracker takes them.
const MAX_REPORTED: usize = 100_000;
/// Shortest piece, bytes: below it the cost of a piece exceeds its bytes.
const MIN_PIECE: u64 = 2048;

/// One content as it is sent: its gate, and what to report of it.
#[derive(Debug)]
pub struct Swarm {
    content: ContentId,
    gate: Gate,
    sent: AtomicU64,
    requests: AtomicU32,
}

impl Swarm {
    /// Bytes to send in one go: about a twentieth of a second, so that several clients see an even flow.
    fn piece(&self, most: u64) -> u64 {
        match self.gate.rate() {
            UNLIMITED => most,
            rate => (rate / 20).max(MIN_PIECE).min(most),
        }
    }
}

/// A request under way on a content. Dropping it ends the request's count.
#[derive(Debug)]
pub struct Sending {
    swarm: Arc<Swarm>,
    total: Arc<Gate>,
}

impl Sending {
    /// Bytes allowed at once, of at most `wanted`; `None` when one has to wait.
    #[must_use]
    pub fn try_pass(&self, wanted: u64) -> Option<u64> {
        let bytes = self.swarm.piece(wanted);
        if !self.swarm.gate.try_pass(bytes) {
            return None;
        }
        if self.total.try_pass(bytes) {
            return Some(bytes);
        }
        self.swarm.gate.give_back(bytes);
        None
    }

    /// Waits for its turn to send, and says how many bytes, of at most `wanted`.
    pub async fn pass(&self, wanted: u64) -> u64 {
        let bytes = self.swarm.piece(wanted);
        self.swarm.gate.pass(bytes).await;
        self.total.pass(bytes).await;
        bytes
    }

    /// Settles a pass: `sent` of the `allowed` bytes were sent.
    pub fn sent(&self, allowed: u64, sent: u64) {
        self.swarm.sent.fetch_add(sent, Ordering::Relaxed);
        if sent < allowed {
            self.swarm.gate.give_back(allowed - sent);
            self.total.give_back(allowed - sent);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.swarm.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All contents being sent, and the table they are held to.
#[derive(Debug)]
pub struct Swarms {
    total: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allocation: Allocation,
    active: HashMap<ContentId, Arc<Swarm>>,
}

impl Swarms {
    /// Nothing being sent. `capacity` bounds all contents together and `fallback` each one while no table holds, bytes per
    /// second.
    #[must_use]
    pub fn new(capacity: u64, fallback: u64) -> Self {
        let state = State { allocation: Allocation::new(fallback), active: HashMap::new() };
        Self { total: Arc::new(Gate::new(capacity)), state: Mutex::new(state) }
    }

    /// Begins a request on a content.
    #[must_use]
    pub fn send(&self, content: ContentId) -> Sending {
        let swarm = self.with(|state| {
            let rate = state.allocation.rate(&content, Instant::now());
            let swarm = state.active.entry(content).or_insert_with(|| {
                let (sent, requests) = (AtomicU64::new(0), AtomicU32::new(0));
                Arc::new(Swarm { content, gate: Gate::new(rate), sent, requests })
            });
            swarm.requests.fetch_add(1, Ordering::Relaxed);
            Arc::clone(swarm)
        });
        Sending { swarm, total: Arc::clone(&self.total) }
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
                let http_bytes = swarm.sent.swap(0, Ordering::Relaxed);
                let requests = swarm.requests.load(Ordering::Relaxed);
                let busy = http_bytes > 0 || requests > 0;
                if busy {
                    counts.push(UploaderSwarm { http_bytes, requests, ..UploaderSwarm::new(swarm.content) });
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
                    swarm.sent.fetch_add(count.http_bytes, Ordering::Relaxed);
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
            state.enforce();
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
        self.with(State::enforce);
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
    fn enforce(&mut self) {
        let now = Instant::now();
        for swarm in self.active.values() {
            swarm.gate.set_rate(self.allocation.rate(&swarm.content, now));
        }
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

    #[test]
    fn counts_are_reported_once_and_lost_never() {
        let swarms = Swarms::new(UNLIMITED, UNLIMITED);
        let sending = swarms.send(content(1));
        sending.sent(10, 10);
        let counts = swarms.take_counts();
        assert_eq!(counts, [UploaderSwarm { http_bytes: 10, requests: 1, ..UploaderSwarm::new(content(1)) }]);
        swarms.put_back(counts);
        drop(sending);
        assert_eq!(swarms.take_counts(), [UploaderSwarm { http_bytes: 10, ..UploaderSwarm::new(content(1)) }]);
        assert!(swarms.take_counts().is_empty());
        assert_eq!(swarms.active(), 0);
    }

    #[tokio::test]
    async fn a_table_frees_and_holds_those_who_wait() {
        let swarms = Arc::new(Swarms::new(UNLIMITED, 0));
        let sending = swarms.send(content(1));
        assert_eq!(sending.try_pass(4096), None);
        let waiting = tokio::spawn(async move { sending.pass(4096).await });
        tokio::task::yield_now().await;
        let rates = vec![SwarmRate { http: 1_000_000, ..SwarmRate::new(content(1)) }];
        swarms.take_table(UploaderTable { generation: 1, ttl_seconds: 30, rates, ..UploaderTable::default() }).unwrap();
        assert_eq!(waiting.await.unwrap(), MIN_PIECE);
        assert_eq!(swarms.send(content(2)).try_pass(1), None);
    }

    #[test]
    fn what_is_not_sent_is_given_back() {
        let swarms = Swarms::new(1_000_000, 1_000_000);
        let sending = swarms.send(content(1));
        let allowed = sending.try_pass(100_000).unwrap();
        assert_eq!(allowed, 50_000);
        assert_eq!(sending.try_pass(1), None);
        sending.sent(allowed, 0);
        assert!(sending.try_pass(1).is_some());
    }
}
