//! Why the database did not do what was asked, and whether asking again may help.

use super::DatabaseLocation;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Cannot be opened.
    #[error("failed to open database {database}: {source}")]
    Open {
        /// Where, without secrets.
        database: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Another tracker has it.
    #[error("failed to open database {database}: another tracker is using it; end that one first")]
    InUse {
        /// Where, without secrets.
        database: String,
    },
    /// The lock file cannot be made.
    #[error("failed to lock database {path}: {source}")]
    Lock {
        /// The database file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("failed to migrate the database: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("failed to use the database: {0}")]
    Query(#[from] sqlx::Error),
    /// Something stored cannot be read.
    #[error("failed to read {0} from the database: not what this version writes")]
    Corrupt(&'static str),
    /// Another tracker was started on the database meanwhile.
    #[error("failed to keep the database: another tracker has taken it over; restart this one")]
    TakenOver,
}

impl DatabaseError {
    pub(super) fn open(location: &DatabaseLocation, source: sqlx::Error) -> Self {
        let database = location.to_string();
        // A pool tries again after a refused advisory lock until its patience ends.
        let locked = matches!(&source, sqlx::Error::PoolTimedOut)
            && matches!(location, DatabaseLocation::Postgres { .. })
            || source.to_string().contains(IN_USE);
        if locked { Self::InUse { database } } else { Self::Open { database, source } }
    }

    /// Whether the same request may succeed later: busy, full, restarting or out of reach.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Query(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                // SQLite: busy, locked, I/O, full, cannot open (extended codes keep the low byte).
                let sqlite = code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14));
                // PostgreSQL: connection, resources, operator intervention, system error, rollback.
                sqlite || ["08", "53", "57", "58", "40"].iter().any(|class| code.len() == 5 && code.starts_with(class))
            }
            Self::Query(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) | Self::Corrupt(_) => false,
            Self::Query(_) | Self::Open { .. } | Self::InUse { .. } => true,
            Self::Lock { .. } | Self::Migrate(_) | Self::TakenOver => false,
        }
    }
}

const IN_USE: &str = "the advisory lock is held by another tracker";

/// What the writer's connection hook answers when the advisory lock is taken.
pub(super) fn in_use() -> sqlx::Error {
    sqlx::Error::Configuration(IN_USE.into())
}
