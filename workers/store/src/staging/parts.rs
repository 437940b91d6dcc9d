//! How a download in progress is cut into parts for object storage, and which bytes of it are there. Pure.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};

/// Most parts of a multipart upload (S3's limit).
pub(crate) const MAX_PARTS: u64 = 10_000;
/// Smallest part we make. S3 takes 5 MiB; 8 keep the requests of a small video few.
const MIN_PART: u64 = 8 << 20;
/// Part of a content whose size nobody knows in advance: up to 640 GB of it.
const UNKNOWN_SIZE_PART: u64 = 64 << 20;
const MIB: u64 = 1 << 20;

/// The cut of a content into parts of equal size, the last one shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartPlan(u64);

impl PartPlan {
    /// The cut for a content of `size` bytes: parts of at least 8 MiB, whole MiB, at most 10,000 of them.
    pub(crate) fn for_size(size: Option<u64>) -> Self {
        Self(size.map_or(UNKNOWN_SIZE_PART, |size| size.div_ceil(MAX_PARTS).next_multiple_of(MIB).max(MIN_PART)))
    }

    /// Bytes of each part but the last.
    pub(crate) fn part_size(self) -> u64 {
        self.0
    }

    /// The parts that a range of bytes touches.
    pub(crate) fn touched(self, range: &Range<u64>) -> Range<u64> {
        if range.is_empty() { 0..0 } else { range.start / self.0..(range.end - 1) / self.0 + 1 }
    }

    /// The bytes of a part of a content of `size` bytes.
    pub(crate) fn bytes(self, part: u64, size: u64) -> Range<u64> {
        (part * self.0).min(size)..((part + 1) * self.0).min(size)
    }

    /// How many parts a content of `size` bytes has.
    pub(crate) fn count(self, size: u64) -> u64 {
        size.div_ceil(self.0)
    }
}

/// A set of bytes as disjoint ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(crate) struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// Adds a range.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        // The last range that starts at or before the new end may reach it, and the ones before that one, too.
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
    }

    /// Whether every byte of a range is in the set.
    pub(crate) fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.0.range(..=range.start).next_back().is_some_and(|(_, &to)| to >= range.end)
    }

    /// The end of the run of bytes that begins at `at` or before; `None` when `at` is not in the set.
    pub(crate) fn run_from(&self, at: u64) -> Option<u64> {
        self.0.range(..=at).next_back().map(|(_, &to)| to).filter(|&to| to > at)
    }

    /// The bytes that are in both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let within = |range: Range<u64>| {
            let before = other.0.range(..=range.start).next_back();
            let inside = other.0.range(range.start + 1..range.end);
            let parts = before.into_iter().chain(inside);
            parts.map(move |(&from, &to)| from.max(range.start)..to.min(range.end)).filter(|part| part.start < part.end)
        };
        self.iter().flat_map(within).collect()
    }

    /// The ranges in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&start, &end)| start..end)
    }

    /// The end of the last range.
    pub(crate) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, &end)| end)
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

impl From<Vec<(u64, u64)>> for RangeSet {
    fn from(ranges: Vec<(u64, u64)>) -> Self {
        ranges.into_iter().map(|(start, end)| start..end).collect()
    }
}

impl From<RangeSet> for Vec<(u64, u64)> {
    fn from(set: RangeSet) -> Self {
        set.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_within_the_limits_and_cover_everything(size in 0..5_u64 << 40) {
            let plan = PartPlan::for_size(Some(size));
            prop_assert!(plan.part_size() >= 5 << 20);
            prop_assert!(plan.count(size) <= MAX_PARTS);
            let covered: u64 = (0..plan.count(size)).map(|part| plan.bytes(part, size)).map(|r| r.end - r.start).sum();
            prop_assert_eq!(covered, size);
        }

        #[test]
        fn a_range_set_is_the_set_of_its_bytes(ranges in prop::collection::vec((0..200_u64, 0..40_u64), 0..30)) {
            let set: RangeSet = ranges.iter().map(|&(start, length)| start..start + length).collect();
            for byte in 0..260 {
                let expected = ranges.iter().any(|&(start, length)| (start..start + length).contains(&byte));
                prop_assert_eq!(set.contains(&(byte..byte + 1)), expected);
            }
            for byte in 0..260 {
                let run = (byte..300).take_while(|byte| set.contains(&(*byte..*byte + 1))).last().map(|last| last + 1);
                prop_assert_eq!(set.run_from(byte), run);
            }
            let listed: Vec<_> = set.iter().collect();
            prop_assert!(listed.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", listed);
        }

        #[test]
        fn what_is_in_both_sets(
            one in prop::collection::vec((0..100_u64, 0..20_u64), 0..12), two in prop::collection::vec((0..100_u64, 0..20_u64), 0..12),
        ) {
            let set = |ranges: &[(u64, u64)]| ranges.iter().map(|&(start, length)| start..start + length).collect::<RangeSet>();
            let (one, two) = (set(&one), set(&two));
            let both = one.and(&two);
            for byte in 0..130 {
                let has = |set: &RangeSet| set.contains(&(byte..byte + 1));
                prop_assert_eq!(has(&both), has(&one) && has(&two));
            }
        }
    }
}
