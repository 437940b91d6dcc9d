//! Swarms over a restart: at each turn of an interval they are written to SQL, a row per shard, and read back at start. What
//! came after the last turn is lost, so at most one interval.
//!
//! Only lengths of time are trusted over a restart, not the wall clock: it says how long the tracker was down, within two
//! intervals.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use videocloud_protocol::ids::InfoHash;

use super::{
    interval::{Millis, Open},
    known::{Hashes, Known},
    samples::History,
    shard::Kept,
    store::Swarms,
};
use crate::database::{Database, DatabaseError, now_seconds};

/// Form of what is kept; another form is not read.
const FORM: u32 = 1;

/// Where time was when a snapshot was made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Position {
    form: u32,
    now: Millis,
    length: Millis,
    current: u64,
    offset: u64,
    /// Seconds since 1970.
    wall: i64,
}

/// A snapshot in text, ready to be written.
#[derive(Debug)]
pub struct Snapshot {
    position: String,
    shards: Vec<String>,
}

impl Swarms {
    /// What a restart needs. Takes each shard's lock in turn.
    #[must_use]
    pub fn snapshot(&self, history: &History) -> Option<Snapshot> {
        let open = self.shards().next()?.open;
        let position = Position {
            form: FORM,
            now: self.now(),
            length: open.length(),
            current: open.current(),
            offset: history.offset(),
            wall: now_seconds(),
        };
        let position = serde_json::to_string(&position).ok()?;
        // Collected under the lock, encoded outside of it.
        let mut shards = Vec::new();
        for index in 0..self.shards().count() {
            let kept = self.shards().nth(index)?.keep();
            shards.push(STANDARD.encode(postcard::to_stdvec(&kept).ok()?));
        }
        Some(Snapshot { position, shards })
    }

    /// Fills fresh swarms with the index's torrents and the last snapshot.
    ///
    /// # Errors
    /// [`DatabaseError`]; a snapshot that cannot be read is dropped, not an error.
    pub async fn load(&self, database: &Database) -> Result<History, DatabaseError> {
        let known = self.load_known(database).await?;
        let sql = "SELECT shard, body FROM swarm_snapshots ORDER BY shard";
        let rows = sqlx::query(sql).fetch_all(database.read()).await?;
        let mut position = None;
        let mut bodies = Vec::new();
        for row in rows {
            let body: String = row.try_get(1)?;
            match row.try_get::<i64, _>(0)? {
                -1 => position = serde_json::from_str::<Position>(&body).ok().filter(|kept| kept.form == FORM),
                _ => bodies.push(body),
            }
        }
        let Some(position) = position else {
            return Ok(History::new(0, 0));
        };
        let length = super::millis(self.settings.sample_interval);
        let down = u64::try_from(now_seconds().saturating_sub(position.wall)).unwrap_or(0).saturating_mul(1000);
        let now = position.now + down.min(2 * position.length);
        self.set_base(now);
        let same = position.length == length;
        // Intervals of another length begin anew, after the numbers given out.
        let current = if same { position.current } else { now / length };
        let last = position.offset + position.current;
        let offset = if same { position.offset } else { (last + 1).saturating_sub(current) };
        let mut open = Open::new(length);
        (0..current).for_each(|_| open.advance());
        self.shards().for_each(|mut shard| shard.open = open);
        let (mut swarms, mut unreadable) = (0_usize, 0_usize);
        for body in bodies {
            let kept = STANDARD.decode(body).ok().and_then(|body| postcard::from_bytes::<Vec<Kept>>(&body).ok());
            let Some(kept) = kept else {
                unreadable += 1;
                continue;
            };
            for mut kept in kept {
                if !same {
                    kept.forget_tallies();
                }
                swarms += 1;
                let hash = kept.hash();
                self.shard(&hash).restore(kept, self.settings.open, &self.rules);
            }
        }
        tracing::info!(torrents = known, swarms, unreadable, down_seconds = down / 1000, "swarms restored");
        Ok(History::new(offset, now / length))
    }

    async fn load_known(&self, database: &Database) -> Result<usize, DatabaseError> {
        // '' sorts before every namespace.
        let sql = "SELECT c.id, c.size, MIN(s.scope), MIN(v1.value), MIN(v2.value) FROM contents c \
                   JOIN content_scopes s ON s.content = c.id \
                   LEFT JOIN hashes v1 ON v1.content = c.id AND v1.algorithm = 'btih' \
                   LEFT JOIN hashes v2 ON v2.content = c.id AND v2.algorithm = 'btmh' \
                   WHERE v1.value IS NOT NULL OR v2.value IS NOT NULL GROUP BY c.id, c.size";
        let rows = sqlx::query(sql).fetch_all(database.read()).await?;
        let mut known = 0;
        for row in rows {
            let hash = |column: usize| row.try_get::<Option<String>, _>(column);
            let Some(hashes) = Hashes::parse(hash(3)?.as_deref(), hash(4)?.as_deref()) else { continue };
            let content = row.try_get::<&str, _>(0)?.parse().map_err(|_| DatabaseError::Corrupt("a content id"))?;
            let size = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
            let secret = !row.try_get::<&str, _>(2)?.is_empty();
            self.know_hashes(&hashes, Known { content, size, secret });
            known += 1;
        }
        Ok(known)
    }

    /// Whether a torrent is served (for tests and tools).
    #[must_use]
    pub fn serves(&self, hash: &InfoHash) -> bool {
        self.scrape(hash).is_some()
    }
}

/// Writes a snapshot in place of the last.
///
/// # Errors
/// [`DatabaseError`].
pub async fn write(database: &Database, snapshot: Snapshot) -> Result<(), DatabaseError> {
    let mut tx = database.write().await?;
    let rows = std::iter::once((-1, snapshot.position)).chain((0_i64..).zip(snapshot.shards));
    for (shard, body) in rows {
        let sql = "INSERT INTO swarm_snapshots (shard, body) VALUES ($1, $2) \
                   ON CONFLICT (shard) DO UPDATE SET body = excluded.body";
        sqlx::query(sql).bind(shard).bind(body).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}
