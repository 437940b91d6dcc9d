//! What the edge serves under `/v/<namespace>/<name>/`.

pub mod http;

use sqlx::Row;
use videocloud_protocol::publication::Publication;

use crate::database::{Database, DatabaseError, now_seconds};

/// Publishes an object; what was published under the name before is replaced.
///
/// # Errors
/// [`DatabaseError`].
pub async fn put(db: &Database, namespace: &str, name: &str, publication: &Publication) -> Result<(), DatabaseError> {
    let body = serde_json::to_string(publication).map_err(|_| DatabaseError::Corrupt("a publication"))?;
    let mut tx = db.write().await?;
    sqlx::query(
        "INSERT INTO publications (namespace, name, uid, body, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (namespace, name) DO UPDATE SET \
         uid = excluded.uid, body = excluded.body, updated_at = excluded.updated_at",
    )
    .bind(namespace)
    .bind(name)
    .bind(&publication.uid)
    .bind(body)
    .bind(now_seconds())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Takes an object off the edge, if it is there.
///
/// # Errors
/// [`DatabaseError`].
pub async fn delete(db: &Database, namespace: &str, name: &str) -> Result<(), DatabaseError> {
    let mut tx = db.write().await?;
    sqlx::query("DELETE FROM publications WHERE namespace = $1 AND name = $2")
        .bind(namespace)
        .bind(name)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// What is published under a name.
///
/// # Errors
/// [`DatabaseError`].
pub async fn find(db: &Database, namespace: &str, name: &str) -> Result<Option<Publication>, DatabaseError> {
    let sql = "SELECT body FROM publications WHERE namespace = $1 AND name = $2";
    let row = sqlx::query(sql).bind(namespace).bind(name).fetch_optional(db.read()).await?;
    row.map(|row| serde_json::from_str(row.try_get(0)?).map_err(|_| DatabaseError::Corrupt("a publication")))
        .transpose()
}
