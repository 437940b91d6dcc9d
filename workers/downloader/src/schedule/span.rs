//! Half-open byte spans and ordered sets of them.
//!
//! The scheduler's whole knowledge of a content is three sets of spans (free, assigned, done), so memory follows the
//! number of holes, not the size of the file: a 100 GB content in order is one entry.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes `start..end` of a content; never empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// `start..end` in bytes, or `None` when that holds no byte.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Offset of the first byte.
    #[must_use]
    pub fn start(self) -> u64 {
        self.start
    }

    /// Offset one past the last byte.
    #[must_use]
    pub fn end(self) -> u64 {
        self.end
    }

    /// Length in bytes, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a span is never empty")]
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// The bytes both spans hold.
    #[must_use]
    pub fn overlap(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The span without its first `bytes` bytes; `None` when nothing is left.
    #[must_use]
    pub fn skip(self, bytes: u64) -> Option<Self> {
        Self::new(self.start.saturating_add(bytes), self.end)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl TryFrom<(u64, u64)> for Span {
    type Error = &'static str;

    fn try_from((start, end): (u64, u64)) -> Result<Self, Self::Error> {
        Self::new(start, end).ok_or("failed to read a span: it holds no byte")
    }
}

impl From<Span> for (u64, u64) {
    fn from(span: Span) -> Self {
        (span.start, span.end)
    }
}

/// A set of bytes, kept as ordered spans that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Span>", into = "Vec<Span>")]
pub struct SpanSet {
    /// start -> end
    spans: BTreeMap<u64, u64>,
}

impl SpanSet {
    /// The set that holds exactly `span`.
    #[must_use]
    pub fn of(span: Option<Span>) -> Self {
        Self::from_iter(span)
    }

    /// True when no byte is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Number of bytes in the set.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(Span::len).sum()
    }

    /// The spans in order of offset.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().map(|(&start, &end)| Span { start, end })
    }

    /// The span with the lowest offset.
    #[must_use]
    pub fn first(&self) -> Option<Span> {
        self.iter().next()
    }

    /// Number of bytes present without a hole from offset `from` on.
    #[must_use]
    pub fn run_from(&self, from: u64) -> u64 {
        match self.spans.range(..=from).next_back() {
            Some((_, &end)) => end.saturating_sub(from),
            None => 0,
        }
    }

    /// True when every byte of `span` is in the set.
    #[must_use]
    pub fn covers(&self, span: Span) -> bool {
        self.run_from(span.start) >= span.len()
    }

    /// Adds the bytes of `span`, joining neighbours.
    pub fn insert(&mut self, span: Span) {
        let (mut start, mut end) = (span.start, span.end);
        // Every span that touches the new one ends at or after its start and begins at or before its end.
        while let Some((&s, &e)) = self.spans.range(..=end).next_back() {
            if e < start {
                break;
            }
            start = start.min(s);
            end = end.max(e);
            self.spans.remove(&s);
        }
        self.spans.insert(start, end);
    }

    /// Takes the bytes of `span` out; those that were not in the set do not matter.
    pub fn remove(&mut self, span: Span) {
        while let Some((&s, &e)) = self.spans.range(..span.end).next_back() {
            if e <= span.start {
                break;
            }
            self.spans.remove(&s);
            if e > span.end {
                self.spans.insert(span.end, e);
            }
            if s < span.start {
                self.spans.insert(s, span.start);
                break;
            }
        }
    }

    /// The bytes of `within` that are in the set.
    #[must_use]
    pub fn intersect(&self, within: Span) -> Self {
        let first = self.spans.range(..=within.start).next_back().map_or(within.start, |(&s, _)| s);
        self.spans.range(first..within.end).filter_map(|(&start, &end)| Span { start, end }.overlap(within)).collect()
    }

    /// The first bytes at or behind `from` that are in both sets.
    #[must_use]
    pub fn common_from(&self, other: &Self, from: u64) -> Option<Span> {
        let mut at = from;
        loop {
            let here = self.span_from(at)?;
            let there = other.span_from(here.start.max(at))?;
            if let Some(both) = here.overlap(there).and_then(|both| Span::new(both.start.max(from), both.end)) {
                return Some(both);
            }
            at = there.start;
        }
    }

    /// The span that holds byte `from`, from there on, or the next one behind it.
    #[must_use]
    pub fn span_from(&self, from: u64) -> Option<Span> {
        let holding = self.spans.range(..=from).next_back().and_then(|(_, &end)| Span::new(from, end));
        holding.or_else(|| self.spans.range(from..).next().map(|(&start, &end)| Span { start, end }))
    }

    /// The bytes that are in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        other.iter().flat_map(|span| Vec::from(self.intersect(span))).collect()
    }

    /// The bytes of `within` that are not in the set.
    #[must_use]
    pub fn missing(&self, within: Span) -> Self {
        let mut rest = Self::of(Some(within));
        for span in self.intersect(within).iter() {
            rest.remove(span);
        }
        rest
    }
}

impl FromIterator<Span> for SpanSet {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut set = Self::default();
        for span in spans {
            set.insert(span);
        }
        set
    }
}

impl From<Vec<Span>> for SpanSet {
    fn from(spans: Vec<Span>) -> Self {
        spans.into_iter().collect()
    }
}

impl From<SpanSet> for Vec<Span> {
    fn from(set: SpanSet) -> Self {
        set.iter().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(bits: &[bool]) -> SpanSet {
        let held = bits.iter().enumerate().filter(|(_, bit)| **bit);
        held.map(|(at, _)| Span::new(at as u64, at as u64 + 1).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn sets_agree_with_bits(a: [bool; 24], b: [bool; 24], from in 0_u64..26) {
            let both: Vec<bool> = a.iter().zip(&b).map(|(a, b)| *a && *b).collect();
            let (left, right) = (set(&a), set(&b));
            prop_assert_eq!(left.and(&right), set(&both));
            let first = (from as usize..24).find(|&at| both[at]);
            prop_assert_eq!(left.common_from(&right, from).map(Span::start), first.map(|at| at as u64));
            if let Some(common) = left.common_from(&right, from) {
                prop_assert!(left.covers(common) && right.covers(common));
                prop_assert!(!both.get(common.end() as usize).copied().unwrap_or(false));
            }
        }
    }
}
