//! What the index says to a wish: the content for certain, hints to confirm with one request, or more links.

use std::time::Duration;

use sqlx::AnyConnection;
use videocloud_protocol::{
    digest::Algorithm,
    tracker::{ClaimAnswer, Wanted},
};

use crate::{
    database::{DatabaseError, now_seconds},
    index::{contents, links},
};

/// Looks a wish of an owner in `namespace` up.
///
/// The content is certain when (a) a visible content has the wanted SHA-256 or BLAKE3, or (b) one of the wish's own links led to
/// it within `revalidate_after`, and no size or digest that is asked for speaks against it. Otherwise older leads are hints.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn answer(
    tx: &mut AnyConnection,
    wanted: &Wanted,
    namespace: &str,
    revalidate_after: Duration,
) -> Result<ClaimAnswer, DatabaseError> {
    let (digest, size) = (wanted.digest.as_ref(), wanted.size);
    let mut related = Vec::new();
    if let Some(digest) = digest {
        let proof = matches!(digest.algorithm(), Algorithm::Sha256 | Algorithm::Blake3);
        for manifest in contents::by_digest(tx, digest, namespace).await? {
            match contents::matches(&manifest, Some(digest), size) {
                Some(true) if proof => return Ok(certain(manifest)),
                Some(false) => {}
                Some(true) | None => related.push(manifest.id),
            }
        }
    }
    let oldest = now_seconds().saturating_sub(i64::try_from(revalidate_after.as_secs()).unwrap_or(i64::MAX));
    let mut known = Vec::new();
    for lead in links::leads(tx, wanted, namespace).await? {
        match contents::matches(&lead.manifest, digest, size) {
            Some(true) if lead.confirmed_at > oldest => return Ok(certain(lead.manifest)),
            Some(false) => continue,
            Some(true) | None => {}
        }
        related.push(lead.known.content);
        known.push(lead.known);
    }
    related.sort_unstable();
    related.dedup();
    let mut more = Vec::new();
    for content in &related {
        more.extend(links::more(tx, content, wanted).await?);
    }
    more.sort_unstable();
    more.dedup();
    more.truncate(16);
    Ok(ClaimAnswer { content: None, known, links: more })
}

const fn certain(manifest: videocloud_protocol::content::ContentManifest) -> ClaimAnswer {
    ClaimAnswer { content: Some(manifest), known: Vec::new(), links: Vec::new() }
}
