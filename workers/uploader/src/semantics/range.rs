//! The `Range` header (RFC 9110, section 14): which bytes of a representation a client asks for.

/// More ranges than this in one header and the header is ignored, as the RFC allows (section 14.2): no player asks for
/// so many.
pub const MAX_RANGES: usize = 64;

/// Bytes `start..start + length` of a representation. Never empty, never past its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    start: u64,
    length: u64,
}

impl ByteRange {
    /// First byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Number of bytes, at least 1.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }

    /// The last byte, as `Content-Range` names it.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.start + (self.length - 1)
    }

    /// The value of `Content-Range` in a representation of `size` bytes.
    #[must_use]
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.last())
    }
}

/// What a `Range` header means for a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Answer with the whole: there is no header, or one to be ignored.
    Whole,
    /// Answer with these, at least one. In the order asked for; overlapping ones are merged, in ascending order.
    Some(Vec<ByteRange>),
    /// None of those asked for exists: answer 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a representation of `size` bytes. Malformed headers and unknown units are ignored, as the
/// RFC asks for.
#[must_use]
pub fn parse(header: &str, size: u64) -> Ranges {
    let Some((unit, set)) = header.split_once('=') else { return Ranges::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || size == 0 {
        return Ranges::Whole;
    }
    let mut found = Vec::new();
    let mut asked = 0;
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        asked += 1;
        let Some(spec) = Spec::parse(spec) else { return Ranges::Whole };
        found.extend(spec.resolve(size));
    }
    if asked == 0 || asked > MAX_RANGES {
        return Ranges::Whole;
    }
    if found.is_empty() { Ranges::Unsatisfiable } else { Ranges::Some(disjoint(found)) }
}

/// One member of the set, as written.
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", suffix) => number(suffix).map(Self::Suffix),
            (first, "") => Some(Self::From { first: number(first)?, last: None }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last: Some(last) })
            }
        }
    }

    /// The bytes meant, if there are any in a representation of `size` bytes, which is not 0.
    fn resolve(&self, size: u64) -> Option<ByteRange> {
        match *self {
            Self::From { first, last } => {
                let last = last.unwrap_or(u64::MAX).min(size - 1);
                (first <= last).then(|| ByteRange { start: first, length: last - first + 1 })
            }
            Self::Suffix(length) => {
                let length = length.min(size);
                (length > 0).then(|| ByteRange { start: size - length, length })
            }
        }
    }
}

/// Digits only; what does not fit is past the end of everything.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Merges ranges that share a byte, so that no answer is larger than the representation.
fn disjoint(ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut sorted = ranges.clone();
    sorted.sort_unstable_by_key(|range| range.start);
    if sorted.windows(2).all(|pair| pair[0].last() < pair[1].start) {
        return ranges;
    }
    let mut merged: Vec<ByteRange> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(before) if range.start <= before.last() => {
                before.length = before.last().max(range.last()) - before.start + 1;
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some(ranges: &[(u64, u64)]) -> Ranges {
        Ranges::Some(ranges.iter().map(|&(start, length)| ByteRange { start, length }).collect())
    }

    #[test]
    fn forms_of_the_rfc() {
        for (header, expected) in [
            ("bytes=0-499", some(&[(0, 500)])),
            ("bytes=500-999", some(&[(500, 500)])),
            ("bytes=-500", some(&[(9500, 500)])),
            ("bytes=9500-", some(&[(9500, 500)])),
            ("BYTES = 0-0 , -1", some(&[(0, 1), (9999, 1)])),
            ("bytes=0-0,-1,", some(&[(0, 1), (9999, 1)])),
            ("bytes=500-700,601-999", some(&[(500, 500)])),
            ("bytes=5-9,0-1", some(&[(5, 5), (0, 2)])),
            ("bytes=0-99999", some(&[(0, 10_000)])),
            ("bytes=-99999", some(&[(0, 10_000)])),
            ("bytes=0-18446744073709551616", some(&[(0, 10_000)])),
            ("bytes=10000-", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=20000-30000,10000-10001", Ranges::Unsatisfiable),
            ("bytes=20000-30000,1-1", some(&[(1, 1)])),
            ("bytes=2-1", Ranges::Whole),
            ("bytes=", Ranges::Whole),
            ("bytes=-", Ranges::Whole),
            ("bytes=a-b", Ranges::Whole),
            ("bytes=+1-2", Ranges::Whole),
            ("bytes 0-1", Ranges::Whole),
            ("lines=0-1", Ranges::Whole),
        ] {
            assert_eq!(parse(header, 10_000), expected, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Ranges::Whole);
        assert_eq!(parse(&format!("bytes={}", "0-0,".repeat(MAX_RANGES + 1)), 9), Ranges::Whole);
    }

    proptest! {
        #[test]
        fn answers_stay_inside_and_never_exceed_the_whole(
            header in "bytes=[-0-9, ]{0,60}|\\PC{0,60}",
            size in prop_oneof![0_u64..200, Just(u64::MAX)],
        ) {
            if let Ranges::Some(ranges) = parse(&header, size) {
                prop_assert!(!ranges.is_empty());
                let mut total = 0_u64;
                for range in &ranges {
                    prop_assert!(range.length() > 0 && range.last() < size);
                    total = total.saturating_add(range.length());
                }
                prop_assert!(total <= size);
            }
        }

        #[test]
        fn what_is_asked_for_is_what_is_given(
            specs in prop::collection::vec((0_u64..300, 0_u64..300), 1..8),
            size in 1_u64..250,
        ) {
            let header: Vec<String> =
                specs.iter().map(|&(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let answer = parse(&format!("bytes={}", header.join(",")), size);
            let wanted = |byte: u64| specs.iter().any(|&(a, b)| (a.min(b)..=a.max(b)).contains(&byte));
            let given = |byte: u64| match &answer {
                Ranges::Some(ranges) => ranges.iter().filter(|r| (r.start()..=r.last()).contains(&byte)).count(),
                Ranges::Whole | Ranges::Unsatisfiable => 0,
            };
            for byte in 0..size {
                prop_assert_eq!(given(byte), usize::from(wanted(byte)), "byte {}", byte);
            }
        }
    }
}
