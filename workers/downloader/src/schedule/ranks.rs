//! Which bytes are rare: those that the least bandwidth stands behind.
//!
//! A source that has only parts should be given of them what few others can give, or the end waits for it. Rarest first of
//! BitTorrent counts who has a piece; here it is counted what they are worth, which is the same as long as nobody was measured.
//! When all have everything there is nothing to rank, and order of playback is as good. What is watched while it comes has its ranks
//! from the player: the begin, the end with the index that many files have there, and then one byte after another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rate::Time;
use super::run_length::Grid;
use super::span::{Span, SpanSet};

/// Ranks are made anew after this time, longer when that is much work.
const FRESH: Duration = Duration::from_secs(1);
/// Spans that are looked at within [`FRESH`].
const EASY: usize = 10_000;
/// Ranks that differ less than by this factor are one.
const STEP: f64 = 1.3;

/// What a player reads first, bytes.
const HEAD: u64 = 1 << 20;
/// Where the index lies in a file that has it at its end: so much of it, and within these bounds.
const INDEX: u64 = 64;
const INDEX_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(16 << 20);

/// Sets of bytes, the rarest first.
#[derive(Debug)]
pub(super) struct Ranks {
    sets: Vec<SpanSet>,
    stale_at: Time,
}

impl Ranks {
    /// Ranks by `holders`: what each has (`None` for everything) and its bytes per second.
    pub(super) fn new<'a>(now: Time, holders: impl Iterator<Item = (Option<&'a SpanSet>, f64)>) -> Self {
        let mut edges: Vec<(u64, f64)> = Vec::new();
        let mut all = 0.0;
        for (holds, worth) in holders {
            match holds {
                None => all += worth,
                Some(holds) => {
                    edges.extend(holds.iter().flat_map(|span| [(span.start(), worth), (span.end(), -worth)]));
                }
            }
        }
        let stale_at = now + FRESH * u32::try_from(1 + edges.len() / EASY).unwrap_or(u32::MAX);
        edges.sort_unstable_by_key(|(at, _)| *at);
        edges.push((u64::MAX, 0.0));
        let mut sets: BTreeMap<i32, SpanSet> = BTreeMap::new();
        let (mut begin, mut worth) = (0, all);
        for (at, change) in edges {
            if let Some(span) = Span::new(begin, at)
                && worth > 1e-3
            {
                sets.entry((worth.ln() / STEP.ln()).floor() as i32).or_default().insert(span);
            }
            (begin, worth) = (at, worth + change);
        }
        Self { sets: sets.into_values().collect(), stale_at }
    }

    /// Ranks of a content of `size` bytes for somebody who plays it, by whole pieces.
    pub(super) fn for_playback(now: Time, size: u64, grid: Option<Grid>) -> Self {
        let index = (size / INDEX).clamp(*INDEX_BYTES.start(), *INDEX_BYTES.end());
        let end = size.saturating_sub(index);
        let (head, end) = grid.map_or((HEAD, end), |grid| (grid.ceil(HEAD), grid.floor(end)));
        let spans = [Span::new(0, head.min(size)), Span::new(end, size), Span::new(0, u64::MAX)];
        Self { sets: spans.into_iter().map(SpanSet::of).collect(), stale_at: now + FRESH }
    }

    pub(super) fn is_stale(&self, now: Time) -> bool {
        self.stale_at <= now
    }

    /// The sets, the rarest first. What nobody has is in none.
    pub(super) fn sets(&self) -> impl Iterator<Item = &SpanSet> {
        self.sets.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_player_wants_the_begin_then_the_index_and_then_all() {
        let grid = Grid { length: 4_000_000, before: 0 };
        let ranks = Ranks::for_playback(Time::ZERO, 100 << 20, Some(grid));
        let set = |start, end| SpanSet::of(Span::new(start, end));
        let found: Vec<_> = ranks.sets().cloned().collect();
        assert_eq!(found, [set(0, 4_000_000), set(100_000_000, 100 << 20), set(0, u64::MAX)]);
        assert_eq!(Ranks::for_playback(Time::ZERO, 0, None).sets().filter(|set| !set.is_empty()).count(), 1);
    }

    #[test]
    fn what_little_bandwidth_stands_behind_comes_first() {
        let set = |start, end| SpanSet::of(Span::new(start, end));
        let (left, right) = (set(0, 60), set(40, 100));
        let holders = [(Some(&left), 100.0), (Some(&right), 300.0)];
        let ranks = Ranks::new(Time::ZERO, holders.into_iter());
        assert_eq!(ranks.sets().cloned().collect::<Vec<_>>(), [set(0, 40), set(60, 100), set(40, 60)]);
        let ranks = Ranks::new(Time::ZERO, holders.into_iter().chain([(None, 1e6)]));
        assert_eq!(ranks.sets().count(), 1, "what few have matters little beside one who has all");
    }
}
