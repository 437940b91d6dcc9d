//! Tables in SQL: taken there first, so that the fence holds over restarts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::Row;
use videocloud_protocol::tracker::PoolTable;

use super::{Refused, Tables};
use crate::database::{Database, DatabaseError, now_seconds};

/// Puts a pool's table in place of the last, unless that is newer.
///
/// # Errors
/// [`DatabaseError`]; the inner error when a newer one is there.
pub async fn put(database: &Database, pool: &str, table: &PoolTable) -> Result<Result<(), Refused>, DatabaseError> {
    let generation = i64::try_from(table.generation).unwrap_or(i64::MAX);
    let body = serde_json::to_string(table).map_err(|_| DatabaseError::Corrupt("a table"))?;
    let mut tx = database.write().await?;
    let sql = "SELECT generation FROM pool_tables WHERE pool = $1";
    let row = sqlx::query(sql).bind(pool).fetch_optional(&mut *tx).await?;
    let current = row.map(|row| row.try_get::<i64, _>(0)).transpose()?;
    match current {
        Some(current) if current > generation => {
            let current = u64::try_from(current).unwrap_or(0);
            return Ok(Err(Refused { offered: table.generation, current }));
        }
        Some(current) if current == generation => return Ok(Ok(())),
        _ => {}
    }
    sqlx::query(
        "INSERT INTO pool_tables (pool, generation, body, put_at) VALUES ($1, $2, $3, $4) ON CONFLICT (pool) DO UPDATE \
         SET generation = excluded.generation, body = excluded.body, put_at = excluded.put_at",
    )
    .bind(pool)
    .bind(generation)
    .bind(body)
    .bind(now_seconds())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// Forgets a pool: its table and its models.
///
/// # Errors
/// [`DatabaseError`].
pub async fn delete(database: &Database, pool: &str) -> Result<(), DatabaseError> {
    let mut tx = database.write().await?;
    sqlx::query("DELETE FROM pool_tables WHERE pool = $1").bind(pool).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM pool_models WHERE pool = $1").bind(pool).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Reads all tables. What is left of their lives goes by the wall clock, within what they were given.
///
/// # Errors
/// [`DatabaseError`].
pub async fn load(database: &Database) -> Result<Tables, DatabaseError> {
    let (mut tables, now) = (Tables::default(), Instant::now());
    let sql = "SELECT pool, body, put_at FROM pool_tables";
    for row in sqlx::query(sql).fetch_all(database.read()).await? {
        let table: PoolTable =
            serde_json::from_str(row.try_get(1)?).map_err(|_| DatabaseError::Corrupt("a table of rates"))?;
        let age = u64::try_from(now_seconds().saturating_sub(row.try_get::<i64, _>(2)?)).unwrap_or(0);
        let left = Duration::from_secs(table.ttl_seconds.saturating_sub(age));
        // Nothing is there yet that could be newer.
        let _ = tables.put(row.try_get(0)?, Arc::new(table), now, left);
    }
    Ok(tables)
}
