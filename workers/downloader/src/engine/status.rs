//! How far a download is, shared between the engine, which writes it, and whoever shows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use videocloud_protocol::task::{Progress, SourceReport};

/// What a download is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Asking sources.
    #[default]
    Connecting,
    /// Bytes are coming.
    Downloading,
    /// Reading it all back and hashing it.
    Verifying,
    /// Writing it into the store.
    Publishing,
}

impl Stage {
    /// The word in progress reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Downloading => "Downloading",
            Self::Verifying => "Verifying",
            Self::Publishing => "Publishing",
        }
    }
}

/// A download at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes there.
    pub done: u64,
    /// Bytes in all, once known.
    pub total: Option<u64>,
    /// Bytes from the first on that others may read.
    pub leading: u64,
    /// Bytes per second at present.
    pub per_second: u64,
    /// How each source fares.
    pub sources: Vec<SourceReport>,
}

impl From<Snapshot> for Progress {
    fn from(now: Snapshot) -> Self {
        Self {
            done: now.done,
            total: now.total,
            per_second: now.per_second,
            stage: now.stage.as_str().to_owned(),
            leading: now.leading,
            sources: now.sources,
        }
    }
}

/// Shared by clones.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Snapshot>>);

impl Status {
    /// The download as it is now.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        self.lock().clone()
    }

    pub(super) fn enter(&self, stage: Stage) {
        let mut now = self.lock();
        now.stage = stage;
        now.per_second = 0;
    }

    /// So many bytes were read back and hashed.
    pub(crate) fn verified(&self, bytes: u64) {
        self.update(|now| now.done = bytes);
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
