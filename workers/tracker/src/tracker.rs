//! What one running tracker holds together: the database, the journal of running tasks, the uploaders, and the tasks it owns.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use videocloud_protocol::token::TokenKey;

use crate::{
    bittorrent::{Counts, web::Rooms},
    database::{Database, DatabaseError},
    hosts::Leases,
    metrics::Metrics,
    pools::{self, Tables},
    swarms::{self, History, Roster, SwarmSettings, Swarms},
    tasks::Journal,
    uploaders::Fleet,
};

/// Running tasks whose progress is kept at a time.
const MAX_RUNNING: usize = 20_000;
/// How often progress becomes visible.
const TICK: Duration = Duration::from_millis(500);
/// How often peers that are gone are removed.
const SWEEP: Duration = Duration::from_secs(10);
/// How long swarms may take to be written when the tracker ends.
const LAST_WRITE: Duration = Duration::from_secs(10);

/// What decides how a tracker answers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a link's word is taken for what it leads to.
    pub revalidate_after: Duration,
    /// Bytes per second over all uploaders; `None` for what they can.
    pub egress_capacity: Option<u64>,
}

/// What decides how the BitTorrent tracker answers.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// How swarms are kept.
    pub swarms: SwarmSettings,
    /// What makes the secrets of namespaces' torrents; without it they need none.
    pub announce_key: Option<TokenKey>,
    /// How peers reach the tracker, for example `http://tracker.example:7080` or `udp://tracker.example:7081`.
    pub announce_bases: Vec<String>,
}

/// A running tracker.
#[derive(Debug)]
pub struct Tracker {
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    /// How peers reach the tracker.
    pub(crate) announce_bases: Vec<String>,
    pub(crate) metrics: Metrics,
    journal: Mutex<Journal>,
    visible: watch::Sender<u64>,
    /// The division of rates among uploaders that is in force.
    division: watch::Sender<u64>,
    fleet: Mutex<Fleet>,
    hosts: Mutex<Leases>,
    /// Swarms of BitTorrent peers.
    pub swarms: Arc<Swarms>,
    pub(crate) history: Arc<History>,
    /// What became of BitTorrent requests.
    pub counts: Arc<Counts>,
    pub(crate) rooms: Rooms,
    owned: TaskTracker,
    closing: CancellationToken,
}

impl Tracker {
    /// A tracker on an open database, without what is kept there of swarms and pools. End it with [`Tracker::close`].
    #[must_use]
    pub fn new(database: Database, settings: Settings) -> Arc<Self> {
        let swarms = Arc::new(Swarms::new(SwarmSettings::default(), None));
        Self::with(database, settings, Vec::new(), swarms, History::new(0, 0), Tables::default())
    }

    /// A tracker on an open database, with the swarms and tables that are kept there. End it with [`Tracker::close`].
    ///
    /// # Errors
    /// [`DatabaseError`] when they cannot be read.
    pub async fn start(database: Database, settings: Settings, delivery: Delivery) -> Result<Arc<Self>, DatabaseError> {
        let swarms = Arc::new(Swarms::new(delivery.swarms, delivery.announce_key));
        let history = swarms.load(&database).await?;
        let tables = pools::load(&database).await?;
        Ok(Self::with(database, settings, delivery.announce_bases, swarms, history, tables))
    }

    fn with(
        database: Database,
        settings: Settings,
        announce_bases: Vec<String>,
        swarms: Arc<Swarms>,
        history: History,
        tables: Tables,
    ) -> Arc<Self> {
        let journal = Journal::new(database.starts(), MAX_RUNNING);
        let fleet = Fleet::new(settings.egress_capacity, database.starts(), tables);
        let visible = watch::Sender::new(journal.ceiling());
        let tracker = Arc::new(Self {
            database,
            settings,
            announce_bases,
            metrics: Metrics::new(),
            journal: Mutex::new(journal),
            visible,
            division: watch::Sender::new(0),
            fleet: Mutex::new(fleet),
            hosts: Mutex::new(Leases::new(Instant::now())),
            swarms,
            history: Arc::new(history),
            counts: Arc::default(),
            rooms: Rooms::default(),
            owned: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let ticking = Arc::clone(&tracker);
        tracker.owned.spawn(async move { ticking.show_progress().await });
        let measuring = Arc::clone(&tracker);
        tracker.owned.spawn(async move { measuring.measure().await });
        tracker
    }

    /// Ends the long polls, waits for writes under way, closes the database.
    pub async fn close(&self) {
        self.closing.cancel();
        self.owned.close();
        self.owned.wait().await;
        if tokio::time::timeout(LAST_WRITE, self.write_swarms()).await.is_err() {
            tracing::warn!("swarms were not written in time; the last turn of the interval stands");
        }
        self.database.close().await;
    }

    /// Cancelled when the tracker closes.
    #[must_use]
    pub const fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Uses the journal, then lets the pollers know what became visible. Never held over an await.
    pub(crate) fn journal<T>(&self, change: impl FnOnce(&mut Journal) -> T) -> T {
        let mut journal = lock(&self.journal);
        let answer = change(&mut journal);
        let ceiling = journal.ceiling();
        self.visible.send_if_modified(|visible| std::mem::replace(visible, ceiling) != ceiling);
        answer
    }

    /// Tells when the visible revision moves.
    pub(crate) fn visible(&self) -> watch::Receiver<u64> {
        self.visible.subscribe()
    }

    /// Uses the uploaders' state.
    pub(crate) fn fleet<T>(&self, change: impl FnOnce(&mut Fleet) -> T) -> T {
        change(&mut lock(&self.fleet))
    }

    /// Uses the shares of hosts.
    pub(crate) fn hosts<T>(&self, change: impl FnOnce(&mut Leases) -> T) -> T {
        change(&mut lock(&self.hosts))
    }

    /// Runs a write to its end even when its caller goes away: a transaction dropped between commit and answer would be
    /// neither done nor not done.
    ///
    /// # Errors
    /// That of the write.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.owned.spawn(write).await.unwrap_or(Err(DatabaseError::Corrupt("the answer of a write that panicked")))
    }

    /// Tells the swarms of owners, after something changed them.
    pub(crate) fn show_owners(&self) {
        if let Some(roster) = self.fleet(|fleet| fleet.refresh(Instant::now())) {
            self.set_roster(roster);
        }
    }

    /// Tells the swarms of their owners, and the uploaders that rates are divided anew.
    pub(crate) fn set_roster(&self, roster: Roster) {
        let version = roster.version;
        self.swarms.set_roster(roster);
        self.division.send_if_modified(|number| std::mem::replace(number, version.max(*number)) < version);
    }

    /// Tells when rates are divided anew among uploaders.
    pub(crate) fn division(&self) -> watch::Receiver<u64> {
        self.division.subscribe()
    }

    /// Ends intervals when they are over, follows the load, and removes peers that are gone.
    async fn measure(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looked, mut swept) = (Instant::now(), Instant::now());
        while self.closing.run_until_cancelled(ticks.tick()).await.is_some() {
            self.swarms.load.look(looked.elapsed());
            looked = Instant::now();
            let now = self.swarms.now();
            if self.history.is_due(&self.swarms, now) {
                let allocations = Arc::new(self.fleet(|fleet| fleet.tables().allocations(Instant::now())));
                self.beside(move |swarms, history| history.turn(swarms, &allocations, now)).await;
                self.write_swarms().await;
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.hosts(|leases| leases.sweep(Instant::now()));
                if let Some((swarms, peers)) = self.beside(move |swarms, _| swarms.sweep(now)).await {
                    self.metrics.swarms(swarms, peers);
                }
                self.show_owners();
            }
        }
    }

    /// Passes over all swarms beside the threads that serve: a million sessions take a tenth of a second. `None` if it panicked.
    async fn beside<T: Send + 'static>(&self, pass: impl FnOnce(&Swarms, &History) -> T + Send + 'static) -> Option<T> {
        let (swarms, history) = (Arc::clone(&self.swarms), Arc::clone(&self.history));
        tokio::task::spawn_blocking(move || pass(&swarms, &history)).await.ok()
    }

    async fn write_swarms(&self) {
        let Some(snapshot) = self.beside(Swarms::snapshot).await.flatten() else { return };
        if let Err(error) = swarms::write_snapshot(&self.database, snapshot).await {
            tracing::warn!(%error, "swarms not written; a restart now loses more than an interval");
        }
    }

    async fn show_progress(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.closing.run_until_cancelled(ticks.tick()).await.is_some() {
            self.journal(|journal| journal.tick(Instant::now()));
        }
    }
}

/// The states behind these locks are valid between any two statements, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
