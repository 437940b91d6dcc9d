//! Contents and their hashes.

use sqlx::{Any, AnyConnection, Executor, Row};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Visibility},
    digest::{Algorithm, Digest},
    ids::ContentId,
};

use super::Scope;
use crate::database::{DatabaseError, now_seconds};

/// The hashes of a content under the names they are stored by.
fn named(hashes: &ContentHashes) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [
        ("sha1", &hashes.sha1),
        ("blake3", &hashes.blake3),
        ("ed2k", &hashes.ed2k),
        ("btih", &hashes.info_hash_v1),
        ("btmh", &hashes.info_hash_v2),
        ("3chunk", &hashes.three_chunk),
    ];
    all.into_iter().filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
}

/// Registers a content for `scope`. The first manifest of a content stands, as in the store; hashes and scopes add up.
///
/// # Errors
/// [`DatabaseError`].
pub async fn register(tx: &mut AnyConnection, manifest: &ContentManifest, scope: &Scope) -> Result<(), DatabaseError> {
    let id = manifest.id.to_string();
    let text = serde_json::to_string(manifest).map_err(|_| DatabaseError::Corrupt("a content manifest"))?;
    sqlx::query(
        "INSERT INTO contents (id, size, manifest, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&id)
    .bind(i64::try_from(manifest.size).unwrap_or(i64::MAX))
    .bind(text)
    .bind(now_seconds())
    .execute(&mut *tx)
    .await?;
    sqlx::query("INSERT INTO content_scopes (content, scope) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&id)
        .bind(scope.as_str())
        .execute(&mut *tx)
        .await?;
    for (algorithm, value) in named(&manifest.hashes) {
        sqlx::query("INSERT INTO hashes (algorithm, value, content) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(algorithm)
            .bind(value)
            .bind(&id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

fn manifest(text: &str, visibility: Visibility) -> Result<ContentManifest, DatabaseError> {
    let manifest: ContentManifest =
        serde_json::from_str(text).map_err(|_| DatabaseError::Corrupt("a content manifest"))?;
    Ok(ContentManifest { visibility, ..manifest })
}

/// A content and the widest visibility it has: public when it ever was fetched without credentials.
///
/// # Errors
/// [`DatabaseError`].
pub async fn find<'e>(
    db: impl Executor<'e, Database = Any>,
    id: &ContentId,
) -> Result<Option<ContentManifest>, DatabaseError> {
    // '' sorts before every namespace.
    let sql = "SELECT c.manifest, MIN(s.scope) FROM contents c JOIN content_scopes s ON s.content = c.id \
               WHERE c.id = $1 GROUP BY c.id, c.manifest";
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(db).await?;
    row.map(|row| manifest(row.try_get::<&str, _>(0)?, Scope::visibility(row.try_get(1)?))).transpose()
}

/// A content, if `namespace` may be told of it.
///
/// # Errors
/// [`DatabaseError`].
pub async fn visible_to(
    tx: &mut AnyConnection,
    id: &ContentId,
    namespace: &str,
) -> Result<Option<ContentManifest>, DatabaseError> {
    let sql = "SELECT c.manifest, MIN(s.scope) FROM contents c JOIN content_scopes s ON s.content = c.id \
               WHERE c.id = $1 AND s.scope IN ('', $2) GROUP BY c.id, c.manifest";
    let row = sqlx::query(sql).bind(id.to_string()).bind(namespace).fetch_optional(&mut *tx).await?;
    row.map(|row| manifest(row.try_get::<&str, _>(0)?, Scope::visibility(row.try_get(1)?))).transpose()
}

/// Contents that may have this digest and that `namespace` may be told of. Only SHA-256 and BLAKE3 are proof.
///
/// # Errors
/// [`DatabaseError`].
pub async fn by_digest(
    tx: &mut AnyConnection,
    digest: &Digest,
    namespace: &str,
) -> Result<Vec<ContentManifest>, DatabaseError> {
    let value = hex::encode(digest.bytes());
    let ids = if digest.algorithm() == Algorithm::Sha256 {
        vec![value]
    } else {
        let sql = "SELECT content FROM hashes WHERE algorithm = $1 AND value = $2 LIMIT 16";
        let rows = sqlx::query(sql).bind(digest.algorithm().name()).bind(value).fetch_all(&mut *tx).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?
    };
    let mut found = Vec::new();
    for id in ids {
        let id: ContentId = id.parse().map_err(|_| DatabaseError::Corrupt("a content id"))?;
        found.extend(visible_to(tx, &id, namespace).await?);
    }
    Ok(found)
}

/// Whether a content is what a digest and a size ask for; `None` when the index cannot tell.
#[must_use]
pub fn matches(manifest: &ContentManifest, digest: Option<&Digest>, size: Option<u64>) -> Option<bool> {
    if size.is_some_and(|size| size != manifest.size) {
        return Some(false);
    }
    let Some(digest) = digest else { return Some(true) };
    let value = hex::encode(digest.bytes());
    match digest.algorithm() {
        Algorithm::Sha256 => Some(manifest.id.to_string() == value),
        Algorithm::Blake3 => manifest.hashes.blake3.as_ref().map(|known| *known == value),
        // Equal proves nothing against an adversary; different does.
        Algorithm::Sha1 => manifest.hashes.sha1.as_ref().filter(|known| **known != value).map(|_| false),
        Algorithm::Md5 => None,
    }
}
