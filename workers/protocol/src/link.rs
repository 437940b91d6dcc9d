//! Links as users give them: parsed once, compared in a normal form, shown without secrets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::Url;

/// A text that is not a link this project can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// Not a URL.
    #[error("failed to read a link: {0}")]
    Syntax(url::ParseError),
    /// A scheme outside the list.
    #[error("failed to read a link: scheme {0:?} is none of http, https, ftp, ftps, magnet, ed2k")]
    Scheme(String),
    /// `user:password@` inside a URL would end up in status and logs.
    #[error("failed to read a link: user name or password inside the URL; put them in a Secret (credentialsSecretRef)")]
    Userinfo,
    /// A URL without a host.
    #[error("failed to read a link: no host in the URL")]
    NoHost,
    /// Longer than [`Link::MAX_LEN`].
    #[error("failed to read a link: longer than 2048 characters")]
    TooLong,
}

/// What protocol a link is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http` or `https`.
    Http,
    /// `ftp` or `ftps`.
    Ftp,
    /// `magnet:`.
    Magnet,
    /// `ed2k:`: its hash is used, its network is not.
    Ed2k,
}

/// A link in normal form (fragment dropped, host and scheme lower-case). `Display` and `Debug` leave the query string out, because
/// queries carry signatures; [`Link::url`] is the whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Link(Url);

impl Link {
    /// Longest link, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// The whole URL, query included. Not for status, events or logs.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The protocol.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.0.scheme() {
            "magnet" => Scheme::Magnet,
            "ed2k" => Scheme::Ed2k,
            "ftp" | "ftps" => Scheme::Ftp,
            _ => Scheme::Http,
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme() {
            // A magnet's query is the link itself: name it by its info hash.
            Scheme::Magnet => {
                let topic = self.0.query_pairs().find(|(key, _)| key == "xt").map(|(_, value)| value.into_owned());
                write!(f, "magnet:?xt={}", topic.unwrap_or_default())
            }
            Scheme::Ed2k => f.write_str("ed2k:"),
            Scheme::Http | Scheme::Ftp => {
                let mut shown = self.0.clone();
                shown.set_query(None);
                f.write_str(shown.as_str())
            }
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}

impl FromStr for Link {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        if text.len() > Self::MAX_LEN {
            return Err(InvalidLink::TooLong);
        }
        let text = text.trim();
        // ed2k links put `|` where a URL has a host, which no URL may.
        let ed2k = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ed2k:"));
        let escaped = if ed2k { text.replace('|', "%7C") } else { text.to_owned() };
        let mut url = Url::parse(&escaped).map_err(InvalidLink::Syntax)?;
        match url.scheme() {
            "http" | "https" | "ftp" | "ftps" => {
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(InvalidLink::Userinfo);
                }
                if url.host_str().is_none_or(str::is_empty) {
                    return Err(InvalidLink::NoHost);
                }
            }
            "magnet" | "ed2k" => {}
            other => return Err(InvalidLink::Scheme(other.chars().take(32).collect())),
        }
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl TryFrom<String> for Link {
    type Error = InvalidLink;

    fn try_from(text: String) -> Result<Self, InvalidLink> {
        text.parse()
    }
}

impl From<Link> for String {
    fn from(link: Link) -> String {
        link.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form_and_redaction() -> Result<(), InvalidLink> {
        let link: Link = "HTTP://Example.org:80/a.mp4?token=s3cret#t=1".parse()?;
        assert_eq!(link.to_string(), "http://example.org/a.mp4");
        assert_eq!(format!("{link:?}"), "Link(http://example.org/a.mp4)");
        assert_eq!(link.url().as_str(), "http://example.org/a.mp4?token=s3cret");
        Ok(())
    }

    #[test]
    fn refusals() {
        assert_eq!("http://u:p@h/x".parse::<Link>(), Err(InvalidLink::Userinfo));
        assert!(matches!("file:///etc/passwd".parse::<Link>(), Err(InvalidLink::Scheme(_))));
        assert!(matches!("nonsense".parse::<Link>(), Err(InvalidLink::Syntax(_))));
        assert!(format!("http://h/{}", "a".repeat(2048)).parse::<Link>().is_err());
    }

    #[test]
    fn ed2k_links_keep_their_fields() -> Result<(), InvalidLink> {
        let link: Link = "ed2k://|file|a.mp4|10|0123456789abcdef0123456789abcdef|/".parse()?;
        assert_eq!(link.scheme(), Scheme::Ed2k);
        let fields = "ed2k://|file|a.mp4|10|0123456789abcdef0123456789abcdef|/";
        assert_eq!(link.url().as_str().replace("%7C", "|"), fields);
        Ok(())
    }

    #[test]
    fn magnets_show_their_topic_only() -> Result<(), InvalidLink> {
        let link: Link = "magnet:?xt=urn:btih:abc&tr=http://t/secret".parse()?;
        assert_eq!(link.to_string(), "magnet:?xt=urn:btih:abc");
        Ok(())
    }
}
