//! What others may read of a download before all of it is there: bytes that hashes prove and nobody doubts, of something that is a
//! video. It is said with the checkpoint, after the bytes are durable.

use std::sync::Arc;

use videocloud_store::{Shown, Staging, StoreError};

use super::Order;
use crate::discover::Description;
use crate::schedule::SpanSet;
use crate::verify::{self, Kind};

/// The bytes that may be shown, as far as they turn out to be a video; `None` where nothing may.
pub(super) fn may_show(order: &Order, known: Option<&Description>, proven: Option<&SpanSet>) -> Option<SpanSet> {
    // A digest that was asked for is the last word: hashes of an unknown hand may be those of something else.
    let doubted = order.digest.is_some() && !known.is_some_and(|known| known.certified);
    proven.filter(|proven| order.shown && !doubted && !proven.is_empty()).cloned()
}

/// Saves `state`, and shows `proven`. Gives the bytes from the first on that are shown.
///
/// # Errors
/// The store's.
pub(super) async fn save(
    staging: Arc<Staging>,
    state: Vec<u8>,
    proven: Option<SpanSet>,
    any_content: bool,
) -> Result<u64, StoreError> {
    let shown = match proven {
        Some(proven) => look(&staging, &proven, any_content).await?,
        None => None,
    };
    let leading = shown.as_ref().and_then(|shown| shown.proven.first().filter(|first| first.start == 0));
    let leading = leading.map_or(0, |first| first.end);
    staging.checkpoint_shown(&state, shown).await?;
    Ok(leading)
}

/// The kind of a content is told by its first bytes.
async fn look(staging: &Staging, proven: &SpanSet, any_content: bool) -> Result<Option<Shown>, StoreError> {
    let Some(first) = proven.iter().next().filter(|first| first.start() == 0) else { return Ok(None) };
    let head = staging.read_at(0, usize::try_from(first.end()).unwrap_or(usize::MAX).min(verify::HEAD)).await?;
    let kind = verify::sniff(&head);
    if matches!(kind, Kind::Other(_)) && !any_content {
        return Ok(None);
    }
    let proven = proven.iter().map(|span| span.start()..span.end()).collect();
    Ok(Some(Shown { mime: kind.mime().to_owned(), proven }))
}
