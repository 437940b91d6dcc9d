//! Signed links: `?expires=<seconds since 1970>&signature=<hex>` over the prefix `/v/<namespace>/<name>/`, so that one signature
//! opens an object's playlists with all their segments.

use std::time::Duration;

use videocloud_protocol::{publication, token::TokenKey};

/// What the query of a request carries for the edge. Other parameters are ignored: players and caches add some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// `expires`, as written.
    pub expires: Option<&'a str>,
    /// `signature`, as written.
    pub signature: Option<&'a str>,
    /// `v`: the version a playlist said.
    pub version: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Reads a query; of a parameter given twice, the first counts.
    #[must_use]
    pub fn parse(query: Option<&'a str>) -> Self {
        let mut parsed = Self::default();
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
            let field = match name {
                "expires" => &mut parsed.expires,
                "signature" => &mut parsed.signature,
                "v" => &mut parsed.version,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        parsed
    }
}

/// What lets a request through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// Anyone may have it.
    Public,
    /// The request carries a signature that is good.
    Signed {
        /// The part of the query that says so, for the URIs in playlists. Made anew of what was checked, not copied.
        query: String,
        /// How long it is good for.
        remaining: Duration,
    },
}

/// Why a request may not have what it asks for: the text of a 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No signature.
    #[error("this video is not public: ask its owner for a signed link")]
    Unsigned,
    /// A signature, but not that of this path and expiry, or one that cannot be read.
    #[error("the signature of this link does not match it: ask for a new link, and do not change its address")]
    BadSignature,
    /// A good one that has run out.
    #[error("this link has expired: ask for a new one")]
    Expired,
    /// No signature could be good here.
    #[error("this video is not public, and this edge was not given the key that signed links are checked with")]
    NoKey,
}

/// Decides on a request for `/v/<namespace>/<name>/…` at `now` (time since 1970).
///
/// # Errors
/// [`Denied`].
pub fn check(
    access: publication::Access,
    key: Option<&TokenKey>,
    (namespace, name): (&str, &str),
    query: Query<'_>,
    now: Duration,
) -> Result<Pass, Denied> {
    if access == publication::Access::Public {
        return Ok(Pass::Public);
    }
    let key = key.ok_or(Denied::NoKey)?;
    let (Some(expires), Some(signature)) = (query.expires, query.signature) else { return Err(Denied::Unsigned) };
    let digits = !expires.is_empty() && expires.bytes().all(|b| b.is_ascii_digit());
    let expires: u64 = expires.parse().ok().filter(|_| digits).ok_or(Denied::BadSignature)?;
    let prefix = format!("/v/{namespace}/{name}/");
    if key.verify_prefix(&prefix, expires, signature, now) {
        let query = format!("expires={expires}&signature={}", signature.to_ascii_lowercase());
        return Ok(Pass::Signed { query, remaining: Duration::from_secs(expires).saturating_sub(now) });
    }
    // Checked once more as of its own time, so that only a good one is called expired.
    match key.verify_prefix(&prefix, expires, signature, Duration::ZERO) {
        true => Err(Denied::Expired),
        false => Err(Denied::BadSignature),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::publication::Access;

    use super::*;

    fn outcome(query: &str, key: Option<&TokenKey>, now: u64) -> Result<Pass, Denied> {
        check(Access::Signed, key, ("team", "holiday"), Query::parse(Some(query)), Duration::from_secs(now))
    }

    #[test]
    fn only_the_signature_of_this_prefix_and_time_opens_it() {
        let key = TokenKey::new(&[1; 32]).unwrap();
        let good = format!("expires=100&signature={}", key.sign_prefix("/v/team/holiday/", 100));
        let pass = Pass::Signed { query: good.clone(), remaining: Duration::from_secs(1) };
        assert_eq!(outcome(&format!("x=1&{good}&v=ab"), Some(&key), 99), Ok(pass));
        assert_eq!(outcome(&good, Some(&key), 100), Err(Denied::Expired));
        assert_eq!(outcome("", Some(&key), 0), Err(Denied::Unsigned));
        assert_eq!(outcome(&good, None, 0), Err(Denied::NoKey));
        for bad in [
            good.replace("expires=100", "expires=101"),
            good.replace("expires=100", "expires=+100"),
            good.replace("signature=", "signature=0"),
            "expires=&signature=".to_owned(),
            format!("expires=100&signature={}", key.sign_prefix("/v/team/holidays/", 100)),
        ] {
            assert_eq!(outcome(&bad, Some(&key), 0), Err(Denied::BadSignature), "{bad}");
        }
        assert_eq!(check(Access::Public, None, ("a", "b"), Query::default(), Duration::ZERO), Ok(Pass::Public));
    }
}
