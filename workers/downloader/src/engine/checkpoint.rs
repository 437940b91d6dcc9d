//! What survives a kill: who wrote which byte, and in which state each source's content was.
//!
//! Links are kept as digests only: a checkpoint lies in the store, and links may carry signatures.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use videocloud_protocol::link::Link;

use super::ledger::Ledger;
use crate::schedule::{SourceId, Span, SpanSet};
use crate::source::Validator;

/// The state given to the staging area.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    size: Option<u64>,
    sources: Vec<SavedSource>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSource {
    link: String,
    validator: Option<Validator>,
    spans: SpanSet,
}

/// The bytes to save.
pub(super) fn save(size: Option<u64>, ledger: &Ledger) -> Vec<u8> {
    let sources = ledger.iter().filter(|(_, account)| !account.spans.is_empty()).map(|(_, account)| SavedSource {
        link: digest(&account.link),
        validator: account.validator.clone(),
        spans: account.spans.clone(),
    });
    let saved = Saved { size, sources: sources.collect() };
    // Numbers and texts always have a JSON form; an empty state only means that all is fetched again.
    serde_json::to_vec(&saved).unwrap_or_default()
}

/// Takes what an earlier process left into `ledger`, as far as the bytes are still there (`kept`) and may be used: those of sources
/// that are no longer asked only when a digest will prove them, those of a source without any validator only then, too. Returns
/// the size, if it was known. State that cannot be read is no state.
pub(super) fn restore(state: &[u8], kept: &[Range<u64>], proven: bool, ledger: &mut Ledger) -> Option<u64> {
    let saved: Saved = serde_json::from_slice(state).ok()?;
    let kept: SpanSet = kept.iter().filter_map(|range| Span::new(range.start, range.end)).collect();
    let mut restored = false;
    for source in saved.sources {
        let known = ledger.iter().find(|(_, account)| digest(&account.link) == source.link).map(|(id, _)| id);
        let pinned = source.validator.as_ref().is_some_and(|validator| !validator.is_empty());
        let id = match (known, proven) {
            (Some(id), _) if proven || pinned => id,
            // Somebody who is not asked any more wrote it; the digest will tell.
            (None, true) => SourceId(0),
            _ => continue,
        };
        let Some(account) = ledger.get_mut(id) else { continue };
        for span in source.spans.iter().flat_map(|span| kept.intersect(span).iter().collect::<Vec<_>>()) {
            account.spans.insert(span);
            restored = true;
        }
        if known.is_some() {
            account.validator = source.validator;
        }
    }
    saved.size.filter(|_| restored)
}

fn digest(link: &Link) -> String {
    hex::encode(Sha256::digest(link.url().as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ledger() -> Ledger {
        let link = |text: &str| text.parse().unwrap();
        Ledger::new([("a".into(), link("http://a.example/x?key=secret")), ("b".into(), link("http://b.example/x"))])
    }

    fn written(validator: Option<Validator>) -> Vec<u8> {
        let mut ledger = ledger();
        ledger.wrote(SourceId(0), Span::new(0, 100).unwrap());
        ledger.get_mut(SourceId(0)).unwrap().validator = validator;
        save(Some(200), &ledger)
    }

    #[test]
    fn what_is_kept_comes_back_and_no_secret_is_written() {
        let tag = Validator { etag: Some("\"1\"".into()), last_modified: None };
        let state = written(Some(tag.clone()));
        assert!(!String::from_utf8(state.clone()).unwrap().contains("secret"));
        let mut again = ledger();
        assert_eq!(restore(&state, &[50..150], false, &mut again), Some(200));
        assert_eq!(again.written_by(&[SourceId(0)]).iter().collect::<Vec<_>>(), [Span::new(50, 100).unwrap()]);
        assert_eq!(again.get(SourceId(0)).unwrap().validator, Some(tag));
    }

    #[test]
    fn bytes_nothing_pins_come_back_only_under_a_digest() {
        let state = written(Some(Validator::default()));
        let mut again = ledger();
        assert_eq!(restore(&state, &[0..200], false, &mut again), None);
        assert!(again.writers().is_empty());
        assert_eq!(restore(&state, &[0..200], true, &mut again), Some(200));
        assert_eq!(again.writers(), [SourceId(0)]);
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_no_state(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = restore(&bytes, &[0..10], true, &mut ledger());
        }
    }
}
