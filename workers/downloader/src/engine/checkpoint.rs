//! What survives a kill: who wrote which byte, and in which state each source's content was.
//!
//! Links are kept as digests only: a checkpoint lies in the store, and links may carry signatures.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use videocloud_protocol::link::Link;

use super::ledger::{Account, Ledger};
use crate::schedule::{Span, SpanSet};
use crate::source::Validator;

/// The state given to the staging area.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    size: Option<u64>,
    sources: Vec<SavedSource>,
    /// What piece hashes have proven, and which hashes those were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proven: Option<(String, SpanSet)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSource {
    link: String,
    validator: Option<Validator>,
    spans: SpanSet,
}

/// What an earlier process had proven by piece hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    /// [`Pieces::fingerprint`](crate::discover::Pieces::fingerprint) of the hashes.
    pub(super) pieces: String,
    /// The bytes, as far as they are still there.
    pub(super) proven: SpanSet,
}

/// The bytes to save. `proven` are the bytes that the piece hashes of that fingerprint have proven.
pub(super) fn save(size: Option<u64>, ledger: &Ledger, proven: Option<(String, &SpanSet)>) -> Vec<u8> {
    let sources = ledger.iter().map(|(id, account)| SavedSource {
        link: account.link.as_ref().map(digest).unwrap_or_default(),
        validator: account.validator.clone(),
        spans: ledger.spans_of(id),
    });
    let sources = sources.filter(|source| !source.spans.is_empty()).collect();
    let saved = Saved { size, sources, proven: proven.map(|(pieces, proven)| (pieces, proven.clone())) };
    // Numbers and texts always have a JSON form; an empty state only means that all is fetched again.
    serde_json::to_vec(&saved).unwrap_or_default()
}

/// Takes what an earlier process left into `ledger`, as far as the bytes are still there (`kept`) and may be used: those of sources
/// that are no longer asked only when a digest will prove them, those of a source without any validator only then, too. Returns
/// the size, if it was known, and what was proven. State that cannot be read is no state.
pub(super) fn restore(
    state: &[u8],
    kept: &[Range<u64>],
    proven: bool,
    ledger: &mut Ledger,
) -> (Option<u64>, Option<Earlier>) {
    let Ok(saved) = serde_json::from_slice::<Saved>(state) else { return (None, None) };
    let kept: SpanSet = kept.iter().filter_map(|range| Span::new(range.start, range.end)).collect();
    let mut restored = false;
    let mut unknown = None;
    for source in saved.sources {
        let is_it = |account: &Account| account.link.as_ref().is_some_and(|link| digest(link) == source.link);
        let known = ledger.iter().find(|(_, account)| is_it(account)).map(|(id, _)| id);
        let pinned = source.validator.as_ref().is_some_and(|validator| !validator.is_empty());
        let id = match (known, proven) {
            (Some(id), _) if proven || pinned => id,
            // Somebody who is not asked any more wrote it; the digest will tell.
            (None, true) => *unknown.get_or_insert_with(|| ledger.add("an earlier run".to_owned(), None, None)),
            _ => continue,
        };
        for span in source.spans.and(&kept).iter() {
            ledger.restore(id, span);
            restored = true;
        }
        if let Some(account) = known.and_then(|id| ledger.get_mut(id)) {
            account.validator = source.validator;
        }
    }
    let earlier = saved.proven.map(|(pieces, proven)| Earlier { pieces, proven: proven.and(&kept) });
    (saved.size.filter(|_| restored), earlier)
}

fn digest(link: &Link) -> String {
    hex::encode(Sha256::digest(link.url().as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::SourceId;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.add("a".into(), Some("http://a.example/x?key=secret".parse().unwrap()), None);
        ledger.add("b".into(), Some("http://b.example/x".parse().unwrap()), None);
        ledger
    }

    fn written(validator: Option<Validator>) -> Vec<u8> {
        let mut ledger = ledger();
        ledger.wrote(SourceId(0), Span::new(0, 100).unwrap());
        ledger.get_mut(SourceId(0)).unwrap().validator = validator;
        save(Some(200), &ledger, None)
    }

    #[test]
    fn what_is_kept_comes_back_and_no_secret_is_written() {
        let tag = Validator { etag: Some("\"1\"".into()), last_modified: None };
        let state = written(Some(tag.clone()));
        assert!(!String::from_utf8(state.clone()).unwrap().contains("secret"));
        let mut again = ledger();
        assert_eq!(restore(&state, &[50..150], false, &mut again), (Some(200), None));
        assert_eq!(again.written_by(&[SourceId(0)]).iter().collect::<Vec<_>>(), [Span::new(50, 100).unwrap()]);
        assert_eq!(again.get(SourceId(0)).unwrap().validator, Some(tag));
    }

    #[test]
    fn bytes_nothing_pins_come_back_only_under_a_digest() {
        let state = written(Some(Validator::default()));
        let mut again = ledger();
        assert_eq!(restore(&state, &[0..200], false, &mut again), (None, None));
        assert!(again.writers().is_empty());
        assert_eq!(restore(&state, &[0..200], true, &mut again), (Some(200), None));
        assert_eq!(again.writers(), [SourceId(0)]);
    }

    #[test]
    fn what_was_proven_comes_back_with_its_hashes() {
        let mut ledger = ledger();
        ledger.wrote(SourceId(0), Span::new(0, 100).unwrap());
        let proven = SpanSet::of(Span::new(0, 80));
        let state = save(Some(200), &ledger, Some(("abc".to_owned(), &proven)));
        let (_, earlier) = restore(&state, &[20..200], false, &mut self::ledger());
        assert_eq!(earlier, Some(Earlier { pieces: "abc".to_owned(), proven: SpanSet::of(Span::new(20, 80)) }));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_no_state(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = restore(&bytes, &[0..10], true, &mut ledger());
        }
    }
}
