//! The tracker's SQL database: SQLite in a file, or PostgreSQL, behind one type and one SQL text.
//!
//! Both accept `$1` placeholders, `TEXT` and `BIGINT`, and `ON CONFLICT`, and nothing else is used; capabilities keep their
//! statements beside their types. There is one writing connection: writers queue, commits have one order, and on PostgreSQL it
//! holds an advisory lock, so that a second tracker on the same database waits instead of interleaving revisions.

mod error;
mod location;

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlx::{
    Any, AnyPool, Executor, Row, SqlSafeStr, Transaction,
    any::AnyPoolOptions,
    migrate::{Migration, MigrationType, Migrator},
};

pub use error::DatabaseError;
pub use location::DatabaseLocation;

/// How long a statement waits for a connection or for a lock of another process.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that read.
const READERS: u32 = 4;
/// Held by the writer of a PostgreSQL database: the bytes of "vctr".
const ADVISORY_LOCK: &str = "SELECT pg_try_advisory_lock(1986229362)";

/// Seconds since 1970.
#[must_use]
pub fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// An open database. Cloning is not offered: one tracker owns it.
#[derive(Debug)]
pub struct Database {
    writer: AnyPool,
    readers: AnyPool,
    begin: &'static str,
    epoch: String,
    starts: u64,
    /// Held open: the file lock ends with it.
    _lock: Option<File>,
}

impl Database {
    /// Opens the database, creating and migrating it as needed, and counts the start.
    ///
    /// # Errors
    /// [`DatabaseError::InUse`] when another tracker has it, otherwise what could not be opened or migrated.
    pub async fn open(location: &DatabaseLocation) -> Result<Self, DatabaseError> {
        sqlx::any::install_default_drivers();
        let url = location.url();
        let base = || AnyPoolOptions::new().acquire_timeout(PATIENCE).max_lifetime(None).idle_timeout(None);
        let (writer, readers, begin, lock) = match location {
            DatabaseLocation::Sqlite { path } => {
                let lock = lock_file(path)?;
                let sqlite = || {
                    base().after_connect(|connection, _| {
                        Box::pin(async move {
                            for pragma in
                                ["PRAGMA busy_timeout = 5000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]
                            {
                                connection.execute(pragma).await?;
                            }
                            Ok(())
                        })
                    })
                };
                let writer = sqlite().max_connections(1).connect(&url).await;
                let writer = writer.map_err(|source| DatabaseError::open(location, source))?;
                (writer, sqlite().max_connections(READERS).connect_lazy(&url), "BEGIN IMMEDIATE", Some(lock))
            }
            DatabaseLocation::Postgres { .. } => {
                let locked = base().max_connections(1).after_connect(|connection, _| {
                    Box::pin(async move {
                        let row = connection.fetch_one(ADVISORY_LOCK).await?;
                        if row.try_get::<bool, _>(0)? { Ok(()) } else { Err(error::in_use()) }
                    })
                });
                let writer = locked.connect(&url).await;
                let writer = writer.map_err(|source| DatabaseError::open(location, source))?;
                (writer, base().max_connections(READERS).connect_lazy(&url), "BEGIN", None)
            }
        };
        let readers = readers.map_err(|source| DatabaseError::open(location, source))?;
        migrations().run(&writer).await.map_err(DatabaseError::Migrate)?;
        let (epoch, starts) = count_start(&writer).await?;
        Ok(Self { writer, readers, begin, epoch, starts, _lock: lock })
    }

    /// Names this database; made with it.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// How often a tracker was started on this database, this time included.
    #[must_use]
    pub const fn starts(&self) -> u64 {
        self.starts
    }

    /// Begins the one writing transaction; waits for its turn.
    ///
    /// # Errors
    /// [`DatabaseError::Query`], also when the turn does not come in time.
    pub async fn write(&self) -> Result<Transaction<'static, Any>, DatabaseError> {
        Ok(self.writer.begin_with(self.begin).await?)
    }

    /// Connections for reading what is committed.
    #[must_use]
    pub const fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// Whether the database answers and is still this tracker's, to write.
    ///
    /// # Errors
    /// [`DatabaseError`] says what is wrong.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        self.is_ours(&self.writer).await
    }

    /// The same to read, which also tells while another tracker is the one that may write.
    ///
    /// # Errors
    /// [`DatabaseError`] says what is wrong.
    pub async fn check_reading(&self) -> Result<(), DatabaseError> {
        self.is_ours(&self.readers).await
    }

    async fn is_ours(&self, connections: &AnyPool) -> Result<(), DatabaseError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = 'starts'").fetch_one(connections).await?;
        let starts: String = row.try_get(0)?;
        if starts == self.starts.to_string() { Ok(()) } else { Err(DatabaseError::TakenOver) }
    }

    /// Ends all connections; waits for those in use.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn migrations() -> Migrator {
    let migration = |version, name: &'static str, text: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "index", include_str!("migrations/0001_index.sql")),
        migration(2, "swarms", include_str!("migrations/0002_swarms.sql")),
    ])
}

async fn count_start(writer: &AnyPool) -> Result<(String, u64), DatabaseError> {
    let mut tx = writer.begin().await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ('epoch', $1) ON CONFLICT (name) DO NOTHING")
        .bind(hex::encode(rand::random::<[u8; 16]>()))
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ('starts', '0') ON CONFLICT (name) DO NOTHING")
        .execute(&mut *tx)
        .await?;
    let text = |row: sqlx::any::AnyRow| row.try_get::<String, _>(0);
    let epoch = text(sqlx::query("SELECT value FROM meta WHERE name = 'epoch'").fetch_one(&mut *tx).await?)?;
    let starts = text(sqlx::query("SELECT value FROM meta WHERE name = 'starts'").fetch_one(&mut *tx).await?)?;
    let starts = starts.parse::<u64>().map_err(|_| DatabaseError::Corrupt("meta.starts"))? + 1;
    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'starts'").bind(starts.to_string()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok((epoch, starts))
}

/// Takes `<path>.lock`. The system drops it with the process, however that ends.
fn lock_file(path: &Path) -> Result<File, DatabaseError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |source| DatabaseError::Lock { path: path.display().to_string(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DatabaseError::InUse { database: path.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
