//! Making the claims equal to the objects that are alive. Runs instead of finalizers, so an uninstall never hangs.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use videocloud_protocol::{
    ids::ClaimKey,
    tracker::{ClaimSync, ClaimSyncAnswer},
};

use crate::database::{Database, DatabaseError, now_seconds};

/// Seconds an abandoned wish is reported before it is forgotten, in case the caller dies with the answer in hand.
const REPORT_ABANDONED: i64 = 3600;

/// Drops claims and publications of objects that are gone, restores claims that are missing, and says which keys nobody claims.
///
/// A restored claim keeps its content from being swept, and grants nobody the sight of it: what an object's status says is
/// no proof.
///
/// # Errors
/// [`DatabaseError`].
pub async fn sync(database: &Database, sync: &ClaimSync) -> Result<ClaimSyncAnswer, DatabaseError> {
    let now = now_seconds();
    let young = now.saturating_sub(i64::try_from(sync.grace_seconds).unwrap_or(i64::MAX));
    let mut live = HashMap::with_capacity(sync.claims.len());
    let mut uids = HashSet::with_capacity(sync.claims.len());
    for claim in &sync.claims {
        live.insert((claim.key.to_string(), claim.owner.uid.clone()), claim);
        uids.insert(claim.owner.uid.as_str());
    }
    let mut tx = database.write().await?;
    let mut answer = ClaimSyncAnswer { dropped: 0, restored: 0, abandoned: Vec::new() };
    for row in sqlx::query("SELECT key, uid, created_at FROM claims").fetch_all(&mut *tx).await? {
        let id = (row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?);
        if live.remove(&id).is_none() && row.try_get::<i64, _>(2)? <= young {
            let sql = "DELETE FROM claims WHERE key = $1 AND uid = $2";
            sqlx::query(sql).bind(&id.0).bind(&id.1).execute(&mut *tx).await?;
            answer.dropped += 1;
        }
    }
    for ((key, uid), claim) in live {
        sqlx::query("INSERT INTO claims (key, uid, namespace, name, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(&key)
            .bind(uid)
            .bind(&claim.owner.namespace)
            .bind(&claim.owner.name)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO wishes (key, content) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET \
             content = COALESCE(wishes.content, excluded.content), abandoned_at = NULL",
        )
        .bind(&key)
        .bind(claim.content.map(|content| content.to_string()))
        .execute(&mut *tx)
        .await?;
        answer.restored += 1;
    }
    let sql = "SELECT namespace, name, uid FROM publications WHERE updated_at <= $1";
    for row in sqlx::query(sql).bind(young).fetch_all(&mut *tx).await? {
        if !uids.contains(row.try_get::<&str, _>(2)?) {
            sqlx::query("DELETE FROM publications WHERE namespace = $1 AND name = $2")
                .bind(row.try_get::<String, _>(0)?)
                .bind(row.try_get::<String, _>(1)?)
                .execute(&mut *tx)
                .await?;
        }
    }
    sqlx::query("DELETE FROM wishes WHERE abandoned_at <= $1").bind(now - REPORT_ABANDONED).execute(&mut *tx).await?;
    sqlx::query(
        "UPDATE wishes SET abandoned_at = $1 WHERE abandoned_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM claims WHERE claims.key = wishes.key)",
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let sql = "SELECT key FROM wishes WHERE abandoned_at IS NOT NULL ORDER BY key";
    for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
        let key: ClaimKey = row.try_get::<&str, _>(0)?.parse().map_err(|_| DatabaseError::Corrupt("a claim key"))?;
        answer.abandoned.push(key);
    }
    tx.commit().await?;
    Ok(answer)
}
