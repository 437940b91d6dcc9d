//! The state of a content at a server, as its `ETag` and `Last-Modified` name it (RFC 9110, section 8.8).

use serde::{Deserialize, Serialize};

/// Entity tag and date of a content at one source; both may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// `ETag` as sent, quotes and `W/` included.
    pub etag: Option<String>,
    /// `Last-Modified` as sent.
    pub last_modified: Option<String>,
}

impl Validator {
    /// True when the source says nothing by which a later answer could be told apart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Value for `If-Range`: a strong tag, else the date. A weak tag must not be used there (RFC 9110, section 13.1.5).
    #[must_use]
    pub fn if_range(&self) -> Option<&str> {
        match self.etag.as_deref() {
            Some(tag) if !tag.starts_with("W/") => Some(tag),
            _ => self.last_modified.as_deref(),
        }
    }

    /// Whether an answer with state `now` may be of the same bytes. A part that either side leaves out proves nothing; a tag that
    /// is equal outweighs dates, which differ between machines that serve one content behind a load balancer.
    #[must_use]
    pub fn agrees_with(&self, now: &Self) -> bool {
        let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        match (&self.etag, &now.etag) {
            (Some(before), Some(now)) => weak(before) == weak(now),
            _ => match (&self.last_modified, &now.last_modified) {
                (Some(before), Some(now)) => before == now,
                _ => true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Validator;

    fn validator(etag: Option<&str>, date: Option<&str>) -> Validator {
        Validator { etag: etag.map(Into::into), last_modified: date.map(Into::into) }
    }

    #[test]
    fn a_changed_tag_is_seen_whatever_the_date_says() {
        let before = validator(Some("\"a\""), Some("Mon, 01 Jan 2024 00:00:00 GMT"));
        assert!(!before.agrees_with(&validator(Some("\"b\""), before.last_modified.as_deref())));
        assert!(before.agrees_with(&validator(Some("W/\"a\""), None)));
        assert!(!before.agrees_with(&validator(None, Some("Tue, 02 Jan 2024 00:00:00 GMT"))));
        assert!(before.agrees_with(&validator(None, None)));
    }

    #[test]
    fn a_weak_tag_is_no_if_range() {
        assert_eq!(validator(Some("W/\"a\""), None).if_range(), None);
        assert_eq!(validator(Some("W/\"a\""), Some("date")).if_range(), Some("date"));
        assert_eq!(validator(Some("\"a\""), Some("date")).if_range(), Some("\"a\""));
    }
}
