//! The odd mirror: when a digest does not hold for a mixture, a few samples of every mirror show who has another file.
//!
//! Samples accuse, they do not acquit: a mirror that differs elsewhere is found by following each alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use rand::RngExt;
use sha2::{Digest as _, Sha256};

use crate::schedule::{SourceId, Span};
use crate::source::{Ask, Source, SourceError};

/// Samples taken of each source.
const SAMPLES: usize = 12;
/// Bytes of one.
const LENGTH: u64 = 64 << 10;
/// Sources that are sampled.
const MAX_SOURCES: usize = 12;
/// How long one source may take for all of its samples.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Those of `sources` whose samples are not those of the majority. Empty when there is none.
pub(super) async fn odd_ones(size: u64, sources: Vec<(SourceId, Arc<dyn Source>)>) -> Vec<SourceId> {
    let spans = spans(size);
    let asked = sources.into_iter().take(MAX_SOURCES).map(|(id, source)| {
        let spans = spans.clone();
        async move {
            let taken = tokio::time::timeout(TIMEOUT, take(source.as_ref(), &spans)).await;
            (id, taken.ok().and_then(Result::ok))
        }
    });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(MAX_SOURCES).collect().await;
    vote(&answers)
}

/// Ends of the content and random places between.
fn spans(size: u64) -> Vec<Span> {
    let last = size.saturating_sub(LENGTH);
    let between = (0..SAMPLES - 2).map(|_| if last == 0 { 0 } else { rand::rng().random_range(0..last) });
    let mut starts: Vec<u64> = [0, last].into_iter().chain(between).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.into_iter().filter_map(|start| Span::new(start, (start + LENGTH).min(size))).collect()
}

async fn take(source: &dyn Source, spans: &[Span]) -> Result<[u8; 32], SourceError> {
    let mut connection = source.connect();
    let mut hasher = Sha256::new();
    for &span in spans {
        let opened = connection.open(Ask { span, pin: None }).await?;
        let mut skip = span.start().saturating_sub(opened.start);
        let mut left = span.len();
        while left > 0
            && let Some(bytes) = connection.read().await?
        {
            let from = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            skip -= from as u64;
            let to = (from as u64).saturating_add(left).min(bytes.len() as u64) as usize;
            hasher.update(&bytes[from..to]);
            left -= (to - from) as u64;
        }
        // A source that has less than the others has another file.
        hasher.update(left.to_be_bytes());
    }
    Ok(hasher.finalize().into())
}

/// Who is not of the strict majority of those that answered.
fn vote<H: Eq + std::hash::Hash>(answers: &[(SourceId, Option<H>)]) -> Vec<SourceId> {
    let mut counts: HashMap<&H, usize> = HashMap::new();
    answers.iter().filter_map(|(_, hash)| hash.as_ref()).for_each(|hash| *counts.entry(hash).or_default() += 1);
    let voters: usize = counts.values().sum();
    let Some((winner, _)) = counts.into_iter().find(|(_, count)| 2 * count > voters) else { return Vec::new() };
    answers.iter().filter(|(_, hash)| hash.as_ref().is_some_and(|hash| hash != winner)).map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_majority_accuses() {
        let answers = |hashes: &[Option<u8>]| {
            hashes.iter().enumerate().map(|(id, hash)| (SourceId(id as u32), *hash)).collect::<Vec<_>>()
        };
        assert_eq!(vote(&answers(&[Some(1), Some(2), Some(1)])), [SourceId(1)]);
        assert_eq!(vote(&answers(&[Some(1), Some(2)])), []);
        assert_eq!(vote(&answers(&[Some(1), None, Some(2), Some(1), Some(3)])), []);
        assert_eq!(vote(&answers(&[None, None])), []);
    }

    #[test]
    fn samples_lie_inside() {
        for size in [1, LENGTH, LENGTH + 1, 1 << 30] {
            assert!(spans(size).iter().all(|span| span.end() <= size));
        }
        assert!(spans(0).is_empty());
    }
}
