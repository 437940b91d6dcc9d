//! `Content-Range` of an answer to a byte range (RFC 9110, section 14.4).

/// A parsed `Content-Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes START-LAST/SIZE`, or `/*` when the size is not said.
    Part {
        /// Offset of the first byte.
        start: u64,
        /// Offset one past the last byte.
        end: u64,
        /// Length of the whole content in bytes.
        size: Option<u64>,
    },
    /// `bytes */SIZE`: nothing of the asked range exists.
    Unsatisfied {
        /// Length of the whole content in bytes.
        size: u64,
    },
}

impl ContentRange {
    /// Reads a header value; `None` when it breaks the grammar or contradicts itself.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let rest = value.trim();
        let unit = rest.get(..5)?;
        let rest = rest.get(5..)?.strip_prefix([' ', '='])?.trim_start();
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, size) = rest.split_once('/')?;
        let size = match size.trim() {
            "*" => None,
            digits => Some(number(digits)?),
        };
        if range.trim() == "*" {
            return Some(Self::Unsatisfied { size: size? });
        }
        let (start, last) = range.split_once('-')?;
        let (start, last) = (number(start.trim())?, number(last.trim())?);
        let end = last.checked_add(1)?;
        let holds = start < end && size.is_none_or(|size| end <= size);
        holds.then_some(Self::Part { start, end, size })
    }
}

/// Digits only: `u64::from_str` alone would take a sign.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ContentRange;

    #[test]
    fn examples_of_the_specification() {
        let part = |start, end, size| Some(ContentRange::Part { start, end, size });
        assert_eq!(ContentRange::parse("bytes 42-1233/1234"), part(42, 1234, Some(1234)));
        assert_eq!(ContentRange::parse("bytes 42-1233/*"), part(42, 1234, None));
        assert_eq!(ContentRange::parse("bytes */1234"), Some(ContentRange::Unsatisfied { size: 1234 }));
        for bad in [
            "",
            "bytes",
            "bytes 1-0/5",
            "bytes 0-5/5",
            "bytes +1-2/5",
            "bytes -2/5",
            "bytes */*",
            "items 0-1/2",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_lies(text in "(bytes )?[-0-9*/ +é]{0,40}") {
            if let Some(ContentRange::Part { start, end, size }) = ContentRange::parse(&text) {
                prop_assert!(start < end && size.is_none_or(|size| end <= size));
            }
        }

        #[test]
        fn reads_what_servers_write(start in 0u64..1 << 60, length in 1u64..1 << 60, more in 0u64..1 << 60) {
            let (end, size) = (start + length, start + length + more);
            let text = format!("bytes {start}-{}/{size}", end - 1);
            prop_assert_eq!(ContentRange::parse(&text), Some(ContentRange::Part { start, end, size: Some(size) }));
        }
    }
}
