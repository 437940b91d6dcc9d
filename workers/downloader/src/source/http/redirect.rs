//! Where a redirect may lead.

use url::Url;
use videocloud_protocol::failure::reason;

use crate::source::SourceError;

/// Most hops from a link to its content.
pub(super) const MAX_HOPS: usize = 10;

/// The next URL, if following is allowed: http or https, never from https to http, no userinfo. Its address is checked when it is
/// connected to, as for every request.
pub(super) fn target(from: &Url, location: &[u8]) -> Result<Url, SourceError> {
    let host = from.host_str().unwrap_or_default();
    let refuse =
        |why: &str| SourceError::gone(reason::BAD_REDIRECT, format!("failed to follow the redirect of {host}: {why}"));
    let location = std::str::from_utf8(location).map_err(|_| refuse("its Location is not text"))?;
    let mut next = from.join(location).map_err(|_| refuse("its Location is not a URL"))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => {
            return Err(refuse("it leads from https to http; give the link of a server that stays on https"));
        }
        _ => return Err(refuse("it leads to something that is not http or https")),
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(refuse("it carries a user name or password"));
    }
    if next.host().is_none() {
        return Err(refuse("it names no host"));
    }
    next.set_fragment(None);
    Ok(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::target;

    #[test]
    fn only_web_links_and_never_down_to_http() {
        let https = "https://a.example/x/y".parse().unwrap();
        let http = "http://a.example/x/y".parse().unwrap();
        assert_eq!(target(&https, b"/z").unwrap().as_str(), "https://a.example/z");
        assert_eq!(target(&http, b"https://b.example/#f").unwrap().as_str(), "https://b.example/");
        for bad in
            [&b"http://a.example/"[..], b"file:///etc/passwd", b"ftp://a/", b"https://u:p@a/", b"\xff", b"data:,x"]
        {
            assert!(target(&https, bad).is_err(), "{bad:?}");
        }
    }
}
