//! One object's claim.

use std::time::Duration;

use videocloud_protocol::{
    ids::ClaimKey,
    tracker::{ClaimAnswer, ClaimRequest},
};

use super::answer::answer;
use crate::database::{Database, DatabaseError, now_seconds};

/// Claims `key` for an object and says what is known. Repeating it changes nothing.
///
/// # Errors
/// [`DatabaseError`].
pub async fn claim(
    database: &Database,
    key: &ClaimKey,
    request: &ClaimRequest,
    revalidate_after: Duration,
) -> Result<ClaimAnswer, DatabaseError> {
    let (owner, key) = (&request.owner, key.to_string());
    let mut tx = database.write().await?;
    let answer = answer(&mut tx, &request.wanted, &owner.namespace, revalidate_after).await?;
    let wanted = serde_json::to_string(&request.wanted).map_err(|_| DatabaseError::Corrupt("a wish"))?;
    // The WHERE keeps a repeated claim from writing, and so from waiting for the disk.
    sqlx::query(
        "INSERT INTO wishes (key, wanted, content) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET \
         wanted = excluded.wanted, content = COALESCE(excluded.content, wishes.content), abandoned_at = NULL \
         WHERE wishes.wanted IS NULL OR wishes.abandoned_at IS NOT NULL \
         OR COALESCE(excluded.content, '') <> COALESCE(wishes.content, '')",
    )
    .bind(&key)
    .bind(wanted)
    .bind(answer.content.as_ref().map(|content| content.id.to_string()))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO claims (key, uid, namespace, name, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (key, uid) DO NOTHING",
    )
    .bind(&key)
    .bind(&owner.uid)
    .bind(&owner.namespace)
    .bind(&owner.name)
    .bind(now_seconds())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(answer)
}
