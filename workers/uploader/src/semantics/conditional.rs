//! Conditional requests (RFC 9110, section 13): `If-Match`, `If-None-Match`, the two dates and `If-Range`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};

/// What identifies a representation.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// A strong entity tag, with its quotes.
    pub etag: &'a str,
    /// When it came to be, seconds since 1970; `None` where no date is known.
    pub modified: Option<u64>,
}

/// What the conditions of a request make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none, and honour `Range` only if so said.
    Proceed {
        /// Whether `If-Range` lets a range through.
        range: bool,
    },
    /// The client has it already: 304.
    NotModified,
    /// The client expects another one: 412.
    PreconditionFailed,
}

/// Evaluates the conditions of a GET or HEAD in the order of section 13.2.2.
#[must_use]
pub fn evaluate(headers: &HeaderMap, validators: Validators<'_>) -> Verdict {
    let date = |name: HeaderName| Some((seconds(headers, name)?, validators.modified?));
    if headers.contains_key(header::IF_MATCH) {
        if !lists(headers, header::IF_MATCH, |tag| tag == validators.etag) {
            return Verdict::PreconditionFailed;
        }
    } else if date(header::IF_UNMODIFIED_SINCE).is_some_and(|(since, modified)| modified > since) {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        // Weak comparison: a cache may hold the same tag marked weak.
        if lists(headers, header::IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == validators.etag) {
            return Verdict::NotModified;
        }
    } else if date(header::IF_MODIFIED_SINCE).is_some_and(|(since, modified)| modified <= since) {
        return Verdict::NotModified;
    }
    Verdict::Proceed { range: range_allowed(headers, validators) }
}

fn range_allowed(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    match value.to_str() {
        Ok(tag) if tag.starts_with('"') => tag == validators.etag,
        // A date must be exactly the one that was given out; weak tags never match.
        Ok(_) => seconds(headers, header::IF_RANGE).is_some_and(|date| validators.modified == Some(date)),
        Err(_) => false,
    }
}

/// Whether a list of entity tags is `*` or has one that `matches`.
fn lists(headers: &HeaderMap, name: HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        let list = list.trim();
        list == "*" || Tags(list).any(&matches)
    })
}

/// The entity tags of a list; ends at the first thing that is none.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches([' ', '\t', ',']);
        let open = if rest.starts_with("W/") { 2 } else { 0 };
        let inside = rest.get(open..)?.strip_prefix('"')?;
        let end = open + 1 + inside.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        self.0 = after;
        Some(tag)
    }
}

fn seconds(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// A date as headers have it; `None` for one that a four-digit year cannot say.
#[must_use]
pub fn http_date(seconds: u64) -> Option<String> {
    /// 9999-12-31T23:59:59Z.
    const LAST: u64 = 253_402_300_799;
    let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    (seconds <= LAST).then(|| httpdate::fmt_http_date(date))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THIS: Validators<'static> = Validators { etag: "\"abc\"", modified: Some(784_111_777) };
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn verdict(headers: &[(HeaderName, &str)]) -> Verdict {
        let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        evaluate(&map, THIS)
    }

    #[test]
    fn conditions_in_their_order() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
        const FULL: Verdict = Verdict::Proceed { range: false };
        const GO: Verdict = Verdict::Proceed { range: true };
        for (headers, expected) in [
            (vec![], GO),
            (vec![(IF_NONE_MATCH, "\"abc\"")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\", W/\"abc\"")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "*")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)], GO),
            (vec![(IF_NONE_MATCH, "abc")], GO),
            (vec![(IF_MODIFIED_SINCE, DATE)], Verdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, EARLIER)], GO),
            (vec![(IF_MATCH, "\"abc\"")], GO),
            (vec![(IF_MATCH, "W/\"abc\"")], Verdict::PreconditionFailed),
            (vec![(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], Verdict::PreconditionFailed),
            (vec![(IF_UNMODIFIED_SINCE, EARLIER)], Verdict::PreconditionFailed),
            (vec![(IF_UNMODIFIED_SINCE, DATE)], GO),
            (vec![(IF_RANGE, "\"abc\"")], GO),
            (vec![(IF_RANGE, "W/\"abc\"")], FULL),
            (vec![(IF_RANGE, "\"x\"")], FULL),
            (vec![(IF_RANGE, DATE)], GO),
            (vec![(IF_RANGE, LATER)], FULL),
            (vec![(IF_RANGE, "nonsense")], FULL),
        ] {
            assert_eq!(verdict(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        assert_eq!(http_date(784_111_777).unwrap(), DATE);
        assert_eq!(http_date(u64::MAX), None);
        assert!(http_date(253_402_300_799).is_some());
    }

    proptest! {
        #[test]
        fn no_header_of_a_stranger_panics(values in prop::collection::vec("[ -~]{0,40}", 5)) {
            let names = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_RANGE, header::IF_MODIFIED_SINCE,
                header::IF_UNMODIFIED_SINCE];
            let map = names.into_iter().zip(&values).map(|(name, value)| (name, value.parse().unwrap())).collect();
            let _ = evaluate(&map, THIS);
        }
    }
}
