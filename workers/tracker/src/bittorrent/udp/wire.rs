//! The wire format of BEP 15 with the URL data of BEP 41: requests parsed, answers written. Pure, and without allocation.

use std::net::{SocketAddrV4, SocketAddrV6};

use videocloud_protocol::ids::InfoHash;

use crate::swarms::{Event, PeerId, Scraped};

/// First eight bytes of a connect request.
const MAGIC: u64 = 0x0417_2710_1980;
/// Most torrents in one scrape: what BEP 15 says fits.
pub const MAX_SCRAPE: usize = 74;
/// Longest answer that is sent: never fragmented on a link of 1,280 bytes with IPv6 and UDP headers.
pub const MAX_ANSWER: usize = 1232;

/// A datagram that is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to read a UDP tracker request")]
pub struct Malformed;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Asks for a connection id.
    Connect {
        /// Comes back in the answer.
        transaction: u32,
    },
    /// Announces.
    Announce(AnnounceRequest<'a>),
    /// Asks for numbers.
    Scrape {
        /// Proves that the sender receives at its address.
        connection: u64,
        /// Comes back in the answer.
        transaction: u32,
        /// Whole info hashes, at least one.
        hashes: &'a [[u8; 20]],
    },
}

/// An announce as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnounceRequest<'a> {
    /// Proves that the sender receives at its address.
    pub connection: u64,
    /// Comes back in the answer.
    pub transaction: u32,
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Who.
    pub peer_id: PeerId,
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes that lack.
    pub left: u64,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// Why now.
    pub event: Event,
    /// What only the peer knows.
    pub key: u32,
    /// Peers wanted; negative for as many as the tracker likes.
    pub want: i32,
    /// Where the peer listens.
    pub port: u16,
    /// First part of the announce URL's path (BEP 41): its secret, if it has one.
    pub secret: Option<&'a str>,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Malformed)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Malformed> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// Reads a datagram.
///
/// # Errors
/// [`Malformed`] when it is none of the requests.
pub fn parse(bytes: &[u8]) -> Result<Request<'_>, Malformed> {
    let (connection, action, transaction) = (u64_at(bytes, 0)?, u32_at(bytes, 8)?, u32_at(bytes, 12)?);
    match action {
        0 if connection == MAGIC => Ok(Request::Connect { transaction }),
        1 => announce(bytes, connection, transaction).map(Request::Announce),
        2 => {
            let (hashes, _) = bytes[16..].as_chunks();
            if hashes.is_empty() {
                return Err(Malformed);
            }
            Ok(Request::Scrape { connection, transaction, hashes: &hashes[..hashes.len().min(MAX_SCRAPE)] })
        }
        _ => Err(Malformed),
    }
}

fn announce(bytes: &[u8], connection: u64, transaction: u32) -> Result<AnnounceRequest<'_>, Malformed> {
    let event = match u32_at(bytes, 80)? {
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        _ => Event::Periodic,
    };
    Ok(AnnounceRequest {
        connection,
        transaction,
        info_hash: InfoHash::from_bytes(array(bytes, 16)?),
        peer_id: PeerId(array(bytes, 36)?),
        downloaded: u64_at(bytes, 56)?,
        left: u64_at(bytes, 64)?,
        uploaded: u64_at(bytes, 72)?,
        event,
        key: u32_at(bytes, 88)?,
        want: array(bytes, 92).map(i32::from_be_bytes)?,
        port: array(bytes, 96).map(u16::from_be_bytes)?,
        secret: options(&bytes[98..]),
    })
}

/// Finds the path in the options after an announce, and in it the part before `/announce`. A path split over options (it is
/// longer than 255 bytes) is no path of ours.
fn options(mut rest: &[u8]) -> Option<&str> {
    loop {
        match rest.split_first()? {
            (0, _) => return None,
            (1, after) => rest = after,
            (2, after) => {
                let (length, after) = after.split_first()?;
                let path = std::str::from_utf8(after.get(..usize::from(*length))?).ok()?;
                let (secret, end) = path.strip_prefix('/')?.split_once('/')?;
                return end.split('?').next().is_some_and(|end| end == "announce").then_some(secret);
            }
            (_, after) => {
                let (length, after) = after.split_first()?;
                rest = after.get(usize::from(*length)..)?;
            }
        }
    }
}

/// Writes an answer to a connect: as long as the request.
pub fn connected(out: &mut Vec<u8>, transaction: u32, connection: u64) {
    head(out, 0, transaction);
    out.extend_from_slice(&connection.to_be_bytes());
}

/// Writes the head of an answer to an announce; peers follow.
pub fn announced(out: &mut Vec<u8>, transaction: u32, interval: u32, leechers: u32, seeders: u32) {
    head(out, 1, transaction);
    for number in [interval, leechers, seeders] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Writes IPv4 peers, as many as fit.
pub fn peers_v4(out: &mut Vec<u8>, begin: usize, peers: &[SocketAddrV4]) {
    let room = MAX_ANSWER.saturating_sub(out.len() - begin) / 6;
    for peer in peers.iter().take(room) {
        out.extend_from_slice(&peer.ip().octets());
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
}

/// Writes IPv6 peers, as many as fit.
pub fn peers_v6(out: &mut Vec<u8>, begin: usize, peers: &[SocketAddrV6]) {
    let room = MAX_ANSWER.saturating_sub(out.len() - begin) / 18;
    for peer in peers.iter().take(room) {
        out.extend_from_slice(&peer.ip().octets());
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
}

/// Writes the head of an answer to a scrape; numbers follow, in the order of the request.
pub fn scraped(out: &mut Vec<u8>, transaction: u32) {
    head(out, 2, transaction);
}

/// Writes the numbers of one torrent.
pub fn numbers(out: &mut Vec<u8>, scraped: Scraped) {
    for number in [scraped.complete, scraped.downloaded, scraped.incomplete] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Writes an error.
pub fn failed(out: &mut Vec<u8>, transaction: u32, message: &str) {
    head(out, 3, transaction);
    out.extend_from_slice(message.as_bytes());
}

fn head(out: &mut Vec<u8>, action: u32, transaction: u32) {
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(tail: &[u8]) -> Vec<u8> {
        let mut bytes = [7_u64.to_be_bytes().as_slice(), &1_u32.to_be_bytes(), &9_u32.to_be_bytes()].concat();
        bytes.extend([[0xaa; 20], [0xbb; 20]].concat());
        for counter in [1_u64, 2, 3] {
            bytes.extend(counter.to_be_bytes());
        }
        for number in [2_u32, 0, 0xdead_beef, u32::MAX] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(6881_u16.to_be_bytes());
        bytes.extend(tail);
        bytes
    }

    #[test]
    fn an_announce_is_read_as_bep_15_says() {
        let bytes = datagram(&[]);
        assert_eq!(bytes.len(), 98);
        let Request::Announce(read) = parse(&bytes).unwrap() else { panic!("not an announce") };
        assert_eq!((read.connection, read.transaction, read.key, read.want, read.port), (7, 9, 0xdead_beef, -1, 6881));
        assert_eq!((read.downloaded, read.left, read.uploaded, read.event), (1, 2, 3, Event::Started));
        assert_eq!((read.info_hash, read.peer_id), (InfoHash::from_bytes([0xaa; 20]), PeerId([0xbb; 20])));
        assert_eq!(parse(&bytes[..97]), Err(Malformed));
    }

    #[test]
    fn the_secret_is_in_the_path_of_bep_41() {
        let secret = |tail: &[u8]| match parse(&datagram(tail)) {
            Ok(Request::Announce(read)) => read.secret.map(str::to_owned),
            _ => None,
        };
        let path = |path: &str| [&[1, 1, 2, u8::try_from(path.len()).unwrap()], path.as_bytes(), &[0]].concat();
        assert_eq!(secret(&path("/s3cret/announce")), Some("s3cret".into()));
        assert_eq!(secret(&path("/s3cret/announce?x=1")), Some("s3cret".into()));
        for other in ["/announce", "/a/b/announce", "", "x"] {
            assert_eq!(secret(&path(other)), None, "{other}");
        }
        // Unknown options are skipped, torn ones end it.
        assert_eq!(secret(&[&[9, 2, 0, 0], &path("/s/announce")[..]].concat()), Some("s".into()));
        assert_eq!(secret(&[2, 200, b'/']), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), action in 0_u8..4) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.get_mut(11) {
                *byte = action;
                bytes[8..11].fill(0);
            }
            if let Ok(Request::Scrape { hashes, .. }) = parse(&bytes) {
                prop_assert!(!hashes.is_empty() && hashes.len() <= MAX_SCRAPE && 16 + 20 * hashes.len() <= bytes.len());
            }
        }
    }
}
