//! Links, and what following them led to. A link is known per scope and variant: what was seen with credentials or other headers
//! says nothing of what is seen without.

use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Row};
use videocloud_protocol::{
    content::{ContentManifest, Visibility},
    ids::ContentId,
    link::Link,
    task::{KnownContent, SourceReport, SourceState},
    tracker::Wanted,
};

use super::{Scope, contents};
use crate::database::{DatabaseError, now_seconds};

/// Most links handed out for cloud tracking.
const MAX_MORE: i64 = 16;

/// What a source's report says of its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Works,
    Dead,
    Inconsistent,
}

/// `revalidated`: the one request that confirmed the content moved no bytes.
fn evidence(report: &SourceReport, revalidated: bool) -> Option<Evidence> {
    match report.state {
        SourceState::Active if report.bytes > 0 || revalidated => Some(Evidence::Works),
        SourceState::Idle if report.bytes > 0 => Some(Evidence::Works),
        SourceState::Failed => Some(Evidence::Dead),
        SourceState::Banned => Some(Evidence::Inconsistent),
        SourceState::Active | SourceState::Idle | SourceState::Waiting => None,
    }
}

fn link_id(scope: &Scope, variant: &str, link: &Link) -> String {
    let mut hasher = Sha256::new();
    for part in [scope.as_str(), variant, link.url().as_str()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

/// Registers what the sources of a download did. `content` is what those that work lead to; without it (the download
/// failed) only failures are recorded.
///
/// # Errors
/// [`DatabaseError`].
pub async fn register(
    tx: &mut AnyConnection,
    wanted: &Wanted,
    reports: &[SourceReport],
    content: Option<(&ContentId, bool)>,
) -> Result<(), DatabaseError> {
    let own = Scope::from(&wanted.visibility);
    for report in reports {
        let Some(evidence) = evidence(report, content.is_some_and(|(_, revalidated)| revalidated)) else { continue };
        let (state, id) = match (evidence, content) {
            (Evidence::Works, Some((id, _))) => ("works", Some(id.to_string())),
            (Evidence::Works, None) => continue,
            (Evidence::Dead, _) => ("dead", None),
            (Evidence::Inconsistent, _) => ("inconsistent", None),
        };
        // A link that the index gave is followed without this claim's variant and credentials.
        let given = wanted.links.contains(&report.link);
        let (scope, variant) =
            if given { (own.clone(), wanted.variant.as_str()) } else { (Scope::from(&Visibility::Public), "") };
        let confirmed = if evidence == Evidence::Works { now_seconds() } else { 0 };
        sqlx::query(
            "INSERT INTO links \
             (id, scope, plain, url, content, state, reason, etag, last_modified, confirmed_at, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET \
             content = COALESCE(excluded.content, links.content), state = excluded.state, reason = excluded.reason, \
             etag = COALESCE(excluded.etag, links.etag), \
             last_modified = COALESCE(excluded.last_modified, links.last_modified), \
             confirmed_at = CASE WHEN excluded.confirmed_at > links.confirmed_at \
             THEN excluded.confirmed_at ELSE links.confirmed_at END, \
             changed_at = excluded.changed_at",
        )
        .bind(link_id(&scope, variant, &report.link))
        .bind(scope.as_str())
        .bind(i64::from(variant.is_empty()))
        .bind(report.link.url().as_str())
        .bind(id)
        .bind(state)
        .bind(report.reason.clone())
        .bind(report.etag.clone())
        .bind(report.last_modified.clone())
        .bind(confirmed)
        .bind(now_seconds())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// A link of a wish that led to a content before.
#[derive(Debug, Clone)]
pub struct Lead {
    /// As a downloader confirms it.
    pub known: KnownContent,
    /// What it led to.
    pub manifest: ContentManifest,
    /// Seconds since 1970 when it last did.
    pub confirmed_at: i64,
}

/// The working links of `wanted` and what they led to, for an owner in `namespace`.
///
/// # Errors
/// [`DatabaseError`].
pub async fn leads(tx: &mut AnyConnection, wanted: &Wanted, namespace: &str) -> Result<Vec<Lead>, DatabaseError> {
    let scope = Scope::from(&wanted.visibility);
    let mut leads = Vec::new();
    for link in &wanted.links {
        let sql = "SELECT content, etag, last_modified, confirmed_at FROM links \
                   WHERE id = $1 AND state = 'works' AND content IS NOT NULL";
        let row = sqlx::query(sql).bind(link_id(&scope, &wanted.variant, link)).fetch_optional(&mut *tx).await?;
        let Some(row) = row else { continue };
        let content: ContentId =
            row.try_get::<&str, _>(0)?.parse().map_err(|_| DatabaseError::Corrupt("a content id"))?;
        let Some(manifest) = contents::visible_to(tx, &content, namespace).await? else { continue };
        let known = KnownContent {
            link: link.clone(),
            content,
            size: manifest.size,
            etag: row.try_get(1)?,
            last_modified: row.try_get(2)?,
        };
        leads.push(Lead { known, manifest, confirmed_at: row.try_get(3)? });
    }
    Ok(leads)
}

/// Public links that lead to `content`, latest confirmed first, without those of `wanted`.
///
/// # Errors
/// [`DatabaseError`].
pub async fn more(tx: &mut AnyConnection, content: &ContentId, wanted: &Wanted) -> Result<Vec<Link>, DatabaseError> {
    let sql = "SELECT url FROM links WHERE content = $1 AND state = 'works' AND scope = '' AND plain = 1 \
               ORDER BY confirmed_at DESC LIMIT $2";
    let rows = sqlx::query(sql).bind(content.to_string()).bind(MAX_MORE).fetch_all(&mut *tx).await?;
    let mut links = Vec::new();
    for row in rows {
        let link: Link = row.try_get::<&str, _>(0)?.parse().map_err(|_| DatabaseError::Corrupt("a link"))?;
        if !wanted.links.contains(&link) {
            links.push(link);
        }
    }
    Ok(links)
}
