//! What one running tracker holds together: the database, the journal of running tasks, the uploaders, and the tasks it owns.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    database::{Database, DatabaseError},
    metrics::Metrics,
    tasks::Journal,
    uploaders::Fleet,
};

/// Running tasks whose progress is kept at a time.
const MAX_RUNNING: usize = 20_000;
/// How often progress becomes visible.
const TICK: Duration = Duration::from_millis(500);

/// What decides how a tracker answers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a link's word is taken for what it leads to.
    pub revalidate_after: Duration,
    /// Bytes per second over all uploaders; `None` for what they can.
    pub egress_capacity: Option<u64>,
}

/// A running tracker.
#[derive(Debug)]
pub struct Tracker {
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    journal: Mutex<Journal>,
    visible: watch::Sender<u64>,
    fleet: Mutex<Fleet>,
    owned: TaskTracker,
    closing: CancellationToken,
}

impl Tracker {
    /// A tracker on an open database. End it with [`Tracker::close`].
    #[must_use]
    pub fn new(database: Database, settings: Settings) -> Arc<Self> {
        let journal = Journal::new(database.starts(), MAX_RUNNING);
        let fleet = Fleet::new(settings.egress_capacity, database.starts());
        let visible = watch::Sender::new(journal.ceiling());
        let tracker = Arc::new(Self {
            database,
            settings,
            metrics: Metrics::new(),
            journal: Mutex::new(journal),
            visible,
            fleet: Mutex::new(fleet),
            owned: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let ticking = Arc::clone(&tracker);
        tracker.owned.spawn(async move { ticking.show_progress().await });
        tracker
    }

    /// Ends the long polls, waits for writes under way, closes the database.
    pub async fn close(&self) {
        self.closing.cancel();
        self.owned.close();
        self.owned.wait().await;
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
