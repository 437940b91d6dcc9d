//! What a leader remembers of its pools between passes. All of it can be lost: status, table and models are kept elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use videocloud_protocol::tracker::PoolTable;

use super::{belief::Beliefs, members::Heard};

/// One pool.
#[derive(Debug)]
pub(super) struct Memory {
    /// When this leader began to look.
    pub(super) began: Instant,
    /// What is known of its swarms; `None` before the tracker's models were read.
    pub(super) beliefs: Option<Beliefs>,
    /// Whether an interval was seen since.
    pub(super) measured: bool,
    /// The newest interval was not watched as a whole.
    pub(super) partial: bool,
    /// When it was solved last, for which generation of the spec, and at which tick.
    pub(super) solved: Option<(Instant, Option<i64>, u64)>,
    /// When an interval was counted as skipped last.
    pub(super) skipped: Option<Instant>,
    /// When the table in force runs out.
    pub(super) until: Option<Instant>,
    /// Log price to start the next solution from.
    pub(super) warm: Option<f64>,
    /// When each cluster was heard of last.
    pub(super) heard: Heard,
    /// A table whose generation is committed and which the tracker has not taken yet.
    pub(super) pending: Option<PoolTable>,
    /// The tracker has a table of this generation, from a pool of the same name.
    pub(super) overtaken: u64,
    /// When models were given to the tracker last, and how many bytes.
    pub(super) kept: Option<(Instant, usize)>,
    /// What each cluster's uploaders had sent, and when.
    pub(super) sent: BTreeMap<String, (u64, Instant)>,
}

impl Memory {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            beliefs: None,
            measured: false,
            partial: false,
            solved: None,
            skipped: None,
            until: None,
            warm: None,
            heard: Heard::new(),
            pending: None,
            overtaken: 0,
            kept: None,
            sent: BTreeMap::new(),
        }
    }
}

/// All pools, by name. A pass takes one out and puts it back.
#[derive(Debug, Default)]
pub struct Pools(Mutex<HashMap<String, (String, Memory)>>);

impl Pools {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (String, Memory)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of the pool of this name and uid.
    pub(super) fn take(&self, name: &str, uid: &str) -> Memory {
        let known = self.lock().remove(name).filter(|(known, _)| known == uid);
        known.map_or_else(|| Memory::new(Instant::now()), |(_, memory)| memory)
    }

    pub(super) fn put(&self, name: &str, uid: &str, memory: Memory) {
        self.lock().insert(name.to_owned(), (uid.to_owned(), memory));
    }

    /// Forgets a pool that is gone.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }
}
