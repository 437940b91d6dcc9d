//! What can go wrong in the store, one enum for the crate.
//! A message names the object and, where a person can act, what to do.

use std::io;

use videocloud_protocol::failure::FailureClass;

/// A failure of a store operation.
///
/// [`StoreError::is_full`] and [`StoreError::is_not_found`] are the two distinctions callers act on most.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no room for what was asked. Nothing was written.
    #[error(
        "failed to reserve {needed} bytes for {what}: the store has {free} bytes free; free space there or give it more"
    )]
    Full {
        /// The object that needed the room.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes free in the store when it was asked.
        free: u64,
    },
    /// The scratch folder (not the store) has no room.
    #[error(
        "failed to reserve {needed} bytes of scratch for {what}: {free} bytes are free; give the worker a larger scratch volume"
    )]
    ScratchFull {
        /// The object that needed the room.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes free in the scratch folder.
        free: u64,
    },
    /// The object does not exist, or is not (yet, any more) visible.
    #[error("failed to find {what} in the store")]
    NotFound {
        /// The object looked for.
        what: String,
    },
    /// Another process holds the object right now; asking again later helps.
    #[error("failed to take {what}: {reason}; it can be retried")]
    Busy {
        /// The object asked for.
        what: String,
        /// Who or what holds it.
        reason: &'static str,
    },
    /// Another process took this staging area over; this writer must stop.
    #[error("failed to write {what}: another process has taken it over since")]
    TakenOver {
        /// The staging area lost.
        what: String,
    },
    /// The bytes staged are not what the manifest says. Nothing was published.
    #[error("failed to publish {what}: the manifest says {expected} bytes, staged are {actual}")]
    SizeMismatch {
        /// The object to be published.
        what: String,
        /// Bytes according to the manifest.
        expected: u64,
        /// Bytes really staged.
        actual: u64,
    },
    /// A range outside of the object.
    #[error("failed to read bytes {start}..{end} of {what}: it has {size} bytes")]
    BadRange {
        /// The object read.
        what: String,
        /// First byte asked for.
        start: u64,
        /// Byte after the last one asked for.
        end: u64,
        /// Bytes of the object.
        size: u64,
    },
    /// Stored bytes that this version cannot understand.
    #[error("failed to understand {what}: {detail}")]
    Corrupt {
        /// The object read.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A store URL that is not `file:///path`, a path, or `s3://bucket/prefix?endpoint=…&region=…`.
    #[error("failed to understand the store URL: {detail}")]
    BadUrl {
        /// What is wrong with it.
        detail: String,
    },
    /// A path of a tree file that is not plain relative segments.
    #[error("failed to accept the path {path:?}: {detail}")]
    BadPath {
        /// The path refused.
        path: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The operating system refused.
    #[error("failed to {action} {what}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which object.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The object storage refused or did not answer, after retries.
    #[error("failed to {action} {what}: {source}")]
    Remote {
        /// What was tried.
        action: &'static str,
        /// On which object.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    /// True when room must be made before trying again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// True when the object is not there, so that trying again does not help.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// What the failure means for the work that met it.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Full { .. } => FailureClass::StoreFull,
            Self::ScratchFull { .. } => FailureClass::Resources,
            Self::BadUrl { .. } | Self::BadPath { .. } => FailureClass::BadSpec,
            _ => FailureClass::Transient,
        }
    }

    /// Maps an I/O error of the store's volume: "no space" and "quota exceeded" become [`StoreError::Full`].
    pub(crate) fn io(action: &'static str, what: impl Into<String>, source: io::Error) -> Self {
        let what = what.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { what, needed: 0, free: 0 },
            io::ErrorKind::NotFound => Self::NotFound { what },
            _ => Self::Io { action, what, source },
        }
    }

    /// Maps an error of the object storage; its codes for "no room" become [`StoreError::Full`].
    pub(crate) fn remote(action: &'static str, what: impl Into<String>, source: object_store::Error) -> Self {
        let what = what.into();
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound { what },
            source if says_full(&source.to_string()) => Self::Full { what, needed: 0, free: 0 },
            source => Self::Remote { action, what, source: Box::new(source) },
        }
    }

    /// The task that did the blocking work ended without a result: the runtime is shutting down.
    pub(crate) fn interrupted(action: &'static str, what: impl Into<String>) -> Self {
        Self::Io { action, what: what.into(), source: io::ErrorKind::Interrupted.into() }
    }
}

/// Error codes by which S3 servers say that there is no room (MinIO, Ceph, and quotas of either).
pub(crate) fn says_full(message: &str) -> bool {
    ["XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"]
        .iter()
        .any(|code| message.contains(code))
}
