//! Renditions: which exist, by key and by the content they were made from.

use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row};
use videocloud_protocol::{ids::RenditionKey, rendition::RenditionSummary, tracker::RenditionsRequest};

use crate::database::{DatabaseError, now_seconds};

/// Most renditions answered for one source: the nearest of more would not be nearer.
const MAX_PER_SOURCE: i64 = 200;

/// Registers renditions; those known stay.
///
/// # Errors
/// [`DatabaseError`].
pub async fn register(tx: &mut AnyConnection, renditions: &[RenditionSummary]) -> Result<(), DatabaseError> {
    for rendition in renditions {
        let summary = serde_json::to_string(rendition).map_err(|_| DatabaseError::Corrupt("a rendition"))?;
        sqlx::query(
            "INSERT INTO renditions (key, source, summary, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING",
        )
        .bind(rendition.key.to_string())
        .bind(rendition.source.to_string())
        .bind(summary)
        .bind(now_seconds())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Those that exist, each once, by key.
///
/// # Errors
/// [`DatabaseError`].
pub async fn resolve(db: &AnyPool, request: &RenditionsRequest) -> Result<Vec<RenditionSummary>, DatabaseError> {
    let mut found = std::collections::BTreeMap::<RenditionKey, RenditionSummary>::new();
    let mut add = |text: &str| -> Result<(), DatabaseError> {
        let summary: RenditionSummary =
            serde_json::from_str(text).map_err(|_| DatabaseError::Corrupt("a rendition"))?;
        found.insert(summary.key, summary);
        Ok(())
    };
    for keys in request.keys.chunks(100) {
        let places: Vec<String> = (1..=keys.len()).map(|place| format!("${place}")).collect();
        // Only numbered places go into the text.
        let sql = format!("SELECT summary FROM renditions WHERE key IN ({})", places.join(", "));
        let query = keys.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, key| query.bind(key.to_string()));
        for row in query.fetch_all(db).await? {
            add(row.try_get(0)?)?;
        }
    }
    for source in &request.sources {
        let sql = "SELECT summary FROM renditions WHERE source = $1 ORDER BY key LIMIT $2";
        for row in sqlx::query(sql).bind(source.to_string()).bind(MAX_PER_SOURCE).fetch_all(db).await? {
            add(row.try_get(0)?)?;
        }
    }
    Ok(found.into_values().collect())
}
