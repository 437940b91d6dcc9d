//! The query of an announce or a scrape: parameters with any bytes in them, percent-encoded. Pure.

use std::net::IpAddr;

use videocloud_protocol::ids::InfoHash;

use crate::swarms::{Announce, DEFAULT_WANT, Event, MAX_WANT, PeerId};

/// Longest path and query that is read.
pub const MAX_TARGET: usize = 8192;
/// Most torrents in one scrape.
pub const MAX_SCRAPE: usize = 100;

/// A query that is no announce or scrape: the failure reason the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long.
    #[error("request too long")]
    TooLong,
    /// A parameter that must be there is not.
    #[error("missing {0}")]
    Missing(&'static str),
    /// A parameter that cannot be read.
    #[error("malformed {0}")]
    Parameter(&'static str),
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// An announce, with the secret of its path.
    Announce(Option<&'a str>),
    /// A scrape.
    Scrape,
}

impl<'a> Target<'a> {
    /// Reads a path; `None` for those of others.
    #[must_use]
    pub fn parse(path: &'a str) -> Option<Self> {
        match path {
            "/announce" => return Some(Self::Announce(None)),
            "/scrape" => return Some(Self::Scrape),
            _ => {}
        }
        let (secret, rest) = path.strip_prefix('/')?.split_once('/')?;
        match rest {
            "announce" => Some(Self::Announce(Some(secret))),
            "scrape" => Some(Self::Scrape),
            _ => None,
        }
    }
}

/// Reads the query of an announce that came from `address`.
///
/// # Errors
/// [`Malformed`] says what the peer should be told.
pub fn announce(query: &str, address: IpAddr) -> Result<Announce, Malformed> {
    if query.len() > MAX_TARGET {
        return Err(Malformed::TooLong);
    }
    let (mut info_hash, mut peer_id, mut port, mut left) = (None, None, None, None);
    let mut announce = Announce {
        info_hash: InfoHash::from_bytes([0; 20]),
        peer_id: PeerId([0; 20]),
        key: 0,
        address,
        port: 0,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event: Event::Periodic,
        want: DEFAULT_WANT,
        want_v4: true,
        want_v6: true,
    };
    for (name, value) in pairs(query) {
        match name {
            "info_hash" => info_hash = Some(twenty(value).ok_or(Malformed::Parameter("info_hash"))?),
            "peer_id" => peer_id = Some(twenty(value).ok_or(Malformed::Parameter("peer_id"))?),
            "port" => port = Some(value.parse().map_err(|_| Malformed::Parameter("port"))?),
            "uploaded" => announce.uploaded = counter(value, "uploaded")?,
            "downloaded" => announce.downloaded = counter(value, "downloaded")?,
            "left" => left = Some(counter(value, "left")?),
            "numwant" => announce.want = value.parse().unwrap_or(DEFAULT_WANT).min(MAX_WANT),
            "key" => announce.key = key(value),
            "event" => {
                announce.event = match value {
                    "started" => Event::Started,
                    "completed" => Event::Completed,
                    "stopped" => Event::Stopped,
                    _ => Event::Periodic,
                };
            }
            _ => {}
        }
    }
    announce.info_hash = InfoHash::from_bytes(info_hash.ok_or(Malformed::Missing("info_hash"))?);
    announce.peer_id = PeerId(peer_id.ok_or(Malformed::Missing("peer_id"))?);
    announce.port = port.ok_or(Malformed::Missing("port"))?;
    // Who does not say lacks an unknown amount.
    announce.left = left.unwrap_or(u64::MAX);
    Ok(announce)
}

/// Reads the info hashes of a scrape.
///
/// # Errors
/// [`Malformed`] when there is none, or one is not a hash.
pub fn scrape(query: &str) -> Result<Vec<InfoHash>, Malformed> {
    if query.len() > MAX_TARGET {
        return Err(Malformed::TooLong);
    }
    let hashes = pairs(query).filter(|(name, _)| *name == "info_hash").take(MAX_SCRAPE);
    let hashes: Vec<InfoHash> = hashes
        .map(|(_, value)| twenty(value).map(InfoHash::from_bytes).ok_or(Malformed::Parameter("info_hash")))
        .collect::<Result<_, _>>()?;
    // A scrape of everything would be an index for strangers.
    if hashes.is_empty() { Err(Malformed::Missing("info_hash")) } else { Ok(hashes) }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// Some clients say -1 for what they do not know yet, and some say more than fits.
fn counter(value: &str, name: &'static str) -> Result<u64, Malformed> {
    match value.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty() => Ok(u64::MAX),
        _ if value.len() > 20 && value.bytes().all(|b| b.is_ascii_digit()) => Ok(u64::MAX),
        _ => value.parse().map_err(|_| Malformed::Parameter(name)),
    }
}

/// A key is any text; clients use up to eight hex digits, which UDP announces carry as a number. Others are hashed to as many
/// bits, so that one client has one key over both.
fn key(value: &str) -> u32 {
    if let Ok(key) = u32::from_str_radix(value, 16) {
        return key;
    }
    value.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Decodes exactly twenty bytes.
fn twenty(value: &str) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    let mut length = 0;
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        };
        *out.get_mut(length)? = byte;
        length += 1;
    }
    (length == 20).then_some(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const IDS: &str = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=-XX0001-aaaaaaaaaaaa";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let query =
            format!("{IDS}&port=6881&uploaded=1&downloaded=2&left=3&event=started&numwant=0&key=DeadBeef&compact=1");
        let read = announce(&query, HERE).unwrap();
        assert_eq!(read.info_hash.to_string(), "123456789abcdef123456789abcdef123456789a");
        assert_eq!((read.port, read.uploaded, read.downloaded, read.left, read.want), (6881, 1, 2, 3, 0));
        assert_eq!((read.key, read.event, read.address), (0xdead_beef, Event::Started, HERE));
        let read = announce(&format!("{IDS}&port=1&left=-1&numwant=99999"), HERE).unwrap();
        assert_eq!((read.left, read.want), (u64::MAX, MAX_WANT));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, why) in [
            ("", Malformed::Missing("info_hash")),
            ("info_hash=abc", Malformed::Parameter("info_hash")),
            ("info_hash=%1", Malformed::Parameter("info_hash")),
            ("info_hash=%zz4567890123456789012", Malformed::Parameter("info_hash")),
            (IDS, Malformed::Missing("port")),
            (&format!("{IDS}&port=65536"), Malformed::Parameter("port")),
            (&format!("{IDS}&port=1&uploaded=x"), Malformed::Parameter("uploaded")),
            (&"x".repeat(MAX_TARGET + 1), Malformed::TooLong),
        ] {
            assert_eq!(announce(query, HERE).unwrap_err(), why, "{query}");
        }
        assert_eq!(scrape("x=1"), Err(Malformed::Missing("info_hash")));
        assert_eq!(scrape(&format!("{IDS}&{IDS}")).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn any_twenty_bytes_pass(bytes in any::<[u8; 20]>()) {
            let text: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(twenty(&text), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = announce(&text, HERE);
            let _ = scrape(&text);
            let _ = Target::parse(&text);
        }
    }
}
