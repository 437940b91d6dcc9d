//! A scheduler's models: text the tracker does not read, fenced by generation as tables are.

use sqlx::Row;
use videocloud_protocol::tracker::ModelSnapshot;

use super::Refused;
use crate::database::{Database, DatabaseError};

/// Keeps a pool's models, unless those of a newer generation are kept.
///
/// # Errors
/// [`DatabaseError`]; the inner error when newer ones are there.
pub async fn put(
    database: &Database,
    pool: &str,
    models: &ModelSnapshot,
) -> Result<Result<(), Refused>, DatabaseError> {
    let generation = i64::try_from(models.generation).unwrap_or(i64::MAX);
    let mut tx = database.write().await?;
    let done = sqlx::query(
        "INSERT INTO pool_models (pool, generation, body) VALUES ($1, $2, $3) ON CONFLICT (pool) DO UPDATE \
         SET generation = excluded.generation, body = excluded.body WHERE pool_models.generation <= excluded.generation",
    )
    .bind(pool)
    .bind(generation)
    .bind(&models.body)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        let sql = "SELECT generation FROM pool_models WHERE pool = $1";
        let current: i64 = sqlx::query(sql).bind(pool).fetch_one(&mut *tx).await?.try_get(0)?;
        let current = u64::try_from(current).unwrap_or(0);
        return Ok(Err(Refused { offered: models.generation, current }));
    }
    tx.commit().await?;
    Ok(Ok(()))
}

/// A pool's models.
///
/// # Errors
/// [`DatabaseError`].
pub async fn find(database: &Database, pool: &str) -> Result<Option<ModelSnapshot>, DatabaseError> {
    let sql = "SELECT generation, body FROM pool_models WHERE pool = $1";
    let row = sqlx::query(sql).bind(pool).fetch_optional(database.read()).await?;
    row.map(|row| {
        let generation = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        Ok(ModelSnapshot { generation, body: row.try_get(1)? })
    })
    .transpose()
}
