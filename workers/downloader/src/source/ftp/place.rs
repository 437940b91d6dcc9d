//! Where an ftp or ftps link leads: host, port, file. Pure.

use url::{Host, Url};
use videocloud_protocol::failure::reason;

use crate::source::SourceError;

/// How the control connection becomes private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// `ftp`: it does not.
    Clear,
    /// `ftps` where TLS begins with the connection (port 990 by custom).
    Implicit,
    /// `ftps` where TLS begins after `AUTH TLS` (RFC 4217; port 21 by custom).
    Explicit,
}

/// What a link names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    /// Where to begin; an ftps server that turns out to be of the other kind is spoken to in its way.
    pub(super) privacy: Privacy,
    /// The file, as the argument of commands.
    pub(super) path: Vec<u8>,
    /// The link has a query, which is part of the file's name here, but may be a secret elsewhere: replies that repeat it are not shown.
    pub(super) quiet: bool,
}

impl Place {
    /// Reads a link. `a/b` of `ftp://host/a/b` is below the folder of the login; `%2F` in front leads to the root (RFC 1738).
    pub(super) fn of(link: &Url) -> Result<Self, SourceError> {
        let bad =
            |why: &str| SourceError::gone(reason::BAD_SPEC, format!("failed to use an {} link: {why}", link.scheme()));
        let text = link.host_str().ok_or_else(|| bad("it names no host"))?;
        // The parser of URLs knows ftp, but keeps the host of ftps as it is written.
        let host = Host::parse(text).map_err(|_| bad("its host is none"))?;
        let secure = link.scheme() == "ftps";
        let port = link.port().unwrap_or(if secure { 990 } else { 21 });
        let privacy = match (secure, port) {
            (false, _) => Privacy::Clear,
            (true, 21) => Privacy::Explicit,
            (true, _) => Privacy::Implicit,
        };
        let mut name = link.path().strip_prefix('/').unwrap_or(link.path()).to_owned();
        if let Some((plain, kind)) = name.rsplit_once(";type=") {
            if !kind.eq_ignore_ascii_case("i") {
                return Err(bad("only ;type=i brings files as they are"));
            }
            name.truncate(plain.len());
        }
        if let Some(query) = link.query() {
            name.push('?');
            name.push_str(query);
        }
        let path = percent_decoded(name.as_bytes());
        if path.is_empty() || path.ends_with(b"/") {
            return Err(bad("it names no file"));
        }
        // A line end in a name would be a command of its own.
        if path.iter().any(|&byte| byte < 0x20 || byte == 0x7f || byte == 0xff) {
            return Err(bad("its path holds a control character"));
        }
        Ok(Self { host, port, privacy, path, quiet: link.query().is_some() })
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                let value = digit(high).unwrap_or(0) * 16 + digit(low).unwrap_or(0);
                decoded.push(u8::try_from(value).unwrap_or(0));
                rest = tail;
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> Result<Place, SourceError> {
        Place::of(&text.parse().unwrap())
    }

    #[test]
    fn files_ports_and_privacy() {
        let plain = place("ftp://Example.org/a%20b/c.mp4;type=i").unwrap();
        assert_eq!((plain.port, plain.privacy, &plain.path[..]), (21, Privacy::Clear, &b"a b/c.mp4"[..]));
        assert_eq!(place("ftp://h/%2Fetc/x").unwrap().path, b"/etc/x");
        assert_eq!(place("ftp://h/a?b=1").unwrap().path, b"a?b=1");
        assert_eq!(place("ftp://h/100%").unwrap().path, b"100%");
        let implicit = place("ftps://127.0.0.1/x").unwrap();
        assert_eq!((implicit.port, implicit.privacy), (990, Privacy::Implicit));
        assert!(matches!(implicit.host, Host::<String>::Ipv4(_)), "an address is no name");
        assert!(matches!(
            place("ftps://[::1]:21/x").unwrap(),
            Place { privacy: Privacy::Explicit, host: Host::Ipv6(_), .. }
        ));
    }

    #[test]
    fn no_command_comes_out_of_a_link() {
        for bad in
            ["ftp://h/a%0d%0aDELE%20x", "ftp://h/a%00", "ftp://h/", "ftp://h/a/", "ftp://h/a;type=a", "ftp://h/%ff"]
        {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn paths_hold_no_line_ends(path in "[a-z%0-9A-F/?;=\\-é]{0,30}") {
            if let Ok(url) = Url::parse(&format!("ftp://h/{path}")) && let Ok(place) = Place::of(&url) {
                prop_assert!(!place.path.is_empty() && place.path.iter().all(|byte| *byte >= 0x20));
            }
        }
    }
}
