//! Magnet links (BEP 9, BEP 52's `btmh`): a name for a torrent, and hints where to find peers.

use std::str::FromStr;

use url::Url;

use super::hash::{InfoHashes, V1Hash, V2Hash};
use super::metainfo::link;

/// Longest link, bytes.
const MAX_BYTES: usize = 64 << 10;
/// Most hints of each kind that are taken.
const MAX_HINTS: usize = 100;
/// Multihash prefix of SHA-256: function 0x12, 0x20 bytes.
const SHA256: &str = "1220";

/// Why a text is no magnet link of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// Longer than 64 KiB.
    #[error("failed to read a magnet link: longer than {MAX_BYTES} bytes")]
    TooLong,
    /// No URL, or of another scheme.
    #[error("failed to read a magnet link: it does not begin with magnet:?")]
    Syntax,
    /// A `btih` or `btmh` that is no hash.
    #[error("failed to read a magnet link: its urn:{0} is no hash")]
    Hash(&'static str),
    /// Two hashes of one kind that differ.
    #[error("failed to read a magnet link: it names two torrents")]
    Two,
    /// No hash of a torrent.
    #[error("failed to read a magnet link: no xt=urn:btih: or xt=urn:btmh: in it")]
    NoHash,
}

/// A parsed magnet link. Hints that cannot be parsed are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent.
    pub hashes: InfoHashes,
    /// A name to show.
    pub name: Option<String>,
    /// Trackers.
    pub trackers: Vec<Url>,
    /// Servers of the files (BEP 19).
    pub web_seeds: Vec<Url>,
    /// Peers: host name or address, and port.
    pub peers: Vec<(String, u16)>,
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        if text.len() > MAX_BYTES {
            return Err(MagnetError::TooLong);
        }
        let url = Url::parse(text.trim()).ok().filter(|url| url.scheme() == "magnet").ok_or(MagnetError::Syntax)?;
        let (mut v1, mut v2, mut name) = (None, None, None);
        let (mut trackers, mut web_seeds, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in url.query_pairs() {
            // `tr.1` and the like number keys that come several times.
            let kind = key.split_once('.').filter(|(_, number)| number.parse::<u32>().is_ok()).map_or(&*key, |k| k.0);
            match kind {
                "xt" => topic(&value, &mut v1, &mut v2)?,
                "dn" => name = name.or_else(|| Some(value.chars().take(255).collect())),
                "tr" => hint(&mut trackers, link(&value)),
                "ws" => hint(&mut web_seeds, link(&value)),
                "x.pe" => hint(&mut peers, peer(&value)),
                _ => {}
            }
        }
        let hashes = InfoHashes::new(v1, v2).ok_or(MagnetError::NoHash)?;
        Ok(Self { hashes, name, trackers, web_seeds, peers })
    }
}

fn topic(value: &str, v1: &mut Option<V1Hash>, v2: &mut Option<V2Hash>) -> Result<(), MagnetError> {
    if let Some(text) = value.strip_prefix("urn:btih:") {
        let hash = text.parse().map_err(|_| MagnetError::Hash("btih"))?;
        if v1.replace(hash).is_some_and(|other| other != hash) {
            return Err(MagnetError::Two);
        }
    } else if let Some(text) = value.strip_prefix("urn:btmh:") {
        let hash = text.strip_prefix(SHA256).and_then(|hex| hex.parse().ok()).ok_or(MagnetError::Hash("btmh"))?;
        if v2.replace(hash).is_some_and(|other| other != hash) {
            return Err(MagnetError::Two);
        }
    }
    Ok(())
}

fn hint<T: PartialEq>(hints: &mut Vec<T>, found: Option<T>) {
    if let Some(found) = found
        && hints.len() < MAX_HINTS
        && !hints.contains(&found)
    {
        hints.push(found);
    }
}

/// `host:port`, an IPv6 address in brackets.
fn peer(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None if host.contains(':') => return None,
        None => host.to_owned(),
    };
    (!host.is_empty() && host.len() <= 255).then_some((host, port))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V1: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";

    #[test]
    fn every_key_is_taken() {
        let v2 = "ab".repeat(32);
        let text = format!(
            "magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{v2}&dn=a%20b&tr=http%3A%2F%2Ft.example%2Fannounce\
             &tr.1=udp://u.example:1&tr=nonsense&ws=https://w.example/&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:1\
             &x.pe=h.example:2&x.pe=:3&x.pe=h:0"
        );
        let magnet: Magnet = text.parse().unwrap();
        assert_eq!(magnet.hashes.v1().unwrap().to_string(), V1);
        assert_eq!(magnet.hashes.v2().unwrap().to_string(), v2);
        assert_eq!(magnet.name.as_deref(), Some("a b"));
        assert_eq!(magnet.trackers.len(), 2);
        assert_eq!(magnet.web_seeds.len(), 1);
        let peer = |host: &str, port| (host.to_owned(), port);
        assert_eq!(magnet.peers, [peer("192.0.2.1", 6881), peer("2001:db8::1", 1), peer("h.example", 2)]);
    }

    #[test]
    fn refusals() {
        let parse = |text: &str| text.parse::<Magnet>().map(|_| ());
        assert_eq!(parse("http://a.example/"), Err(MagnetError::Syntax));
        assert_eq!(parse("magnet:?dn=a"), Err(MagnetError::NoHash));
        assert_eq!(parse("magnet:?xt=urn:btih:abc"), Err(MagnetError::Hash("btih")));
        assert_eq!(parse(&format!("magnet:?xt=urn:btmh:1114{}", "ab".repeat(20))), Err(MagnetError::Hash("btmh")));
        assert_eq!(parse(&format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{}", "0".repeat(40))), Err(MagnetError::Two));
        assert_eq!(parse(&format!("magnet:?xt=urn:btih:{V1}&dn={}", "a".repeat(MAX_BYTES))), Err(MagnetError::TooLong));
        let many: String = (0..5000).map(|at| format!("&tr=udp://t{at}.example:1")).collect();
        let many = format!("magnet:?xt=urn:btih:{V1}{}", &many[..50_000]);
        assert_eq!(many.parse::<Magnet>().unwrap().trackers.len(), MAX_HINTS);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(magnet:\\?)?(xt=urn:btih:)?\\PC{0,200}") {
            let _ = text.parse::<Magnet>();
        }
    }
}
