//! Payloads of the extension protocol (BEP 10): its handshake, metadata exchange (BEP 9), peer exchange (BEP 11).

use std::net::{IpAddr, SocketAddr};

use crate::torrent::MAX_TORRENT_BYTES;
use crate::torrent::bencode::{Value, dict};
use bytes::Bytes;

/// Our number for `ut_metadata`: what a peer puts on its messages to us.
pub const METADATA: u8 = 1;
/// Our number for `ut_pex`.
pub const PEX: u8 = 2;
/// Bytes of a part of the metadata; the last one is shorter.
pub const METADATA_PART: usize = 16 << 10;
/// Most addresses that are taken of one exchange.
const MAX_PEERS: usize = 200;

/// What a peer's extension handshake says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// The peer's number for `ut_metadata`.
    pub metadata: Option<u8>,
    /// Bytes of the info dictionary, if the peer has it; within the limit of a torrent.
    pub metadata_size: Option<usize>,
    /// Requests it lets wait.
    pub queue: Option<u32>,
    /// It does not want anything any more, even if it lacks pieces (BEP 21).
    pub upload_only: bool,
    /// Its software; foreign text.
    pub client: Option<String>,
}

/// A message of the metadata exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Asks for a part.
    Request(u32),
    /// A part.
    Data {
        /// Its number.
        part: u32,
        /// Its bytes.
        bytes: Bytes,
    },
    /// The peer does not give a part.
    Reject(u32),
}

/// Our extension handshake. `exchange` offers peer exchange: not for private torrents.
#[must_use]
pub fn hello(exchange: bool) -> Vec<u8> {
    let mut names = vec![(&b"ut_metadata"[..], Value::Int(METADATA.into()))];
    if exchange {
        names.push((b"ut_pex", Value::Int(PEX.into())));
    }
    let client = concat!("videocloud ", env!("CARGO_PKG_VERSION"));
    dict([("m", Value::Dict(names.into_iter().collect())), ("v", Value::Bytes(client.as_bytes()))]).encode()
}

/// The extension handshake of one that only sends: it has metadata of `metadata_size` bytes, and lets `queue` requests wait.
#[must_use]
pub fn hello_of_seed(metadata_size: usize, queue: u32) -> Vec<u8> {
    let names = [(&b"ut_metadata"[..], Value::Int(METADATA.into()))];
    let client = concat!("videocloud ", env!("CARGO_PKG_VERSION"));
    dict([
        ("m", Value::Dict(names.into_iter().collect())),
        ("metadata_size", Value::Int(i64::try_from(metadata_size).unwrap_or(i64::MAX))),
        ("reqq", Value::Int(queue.into())),
        ("upload_only", Value::Int(1)),
        ("v", Value::Bytes(client.as_bytes())),
    ])
    .encode()
}

/// Reads a peer's extension handshake. What cannot be read is taken as not said.
#[must_use]
pub fn abilities(payload: &[u8]) -> Abilities {
    let Ok((value, _)) = Value::parse_front(payload) else { return Abilities::default() };
    let Some(said) = value.as_dict() else { return Abilities::default() };
    let number = |name: &str| said.dict("m")?.int(name).and_then(|id| u8::try_from(id).ok()).filter(|id| *id > 0);
    let size = said.int("metadata_size").and_then(|size| usize::try_from(size).ok());
    Abilities {
        metadata: number("ut_metadata"),
        metadata_size: size.filter(|size| (1..=MAX_TORRENT_BYTES).contains(size)),
        queue: said.int("reqq").and_then(|queue| u32::try_from(queue).ok()),
        upload_only: said.int("upload_only").is_some_and(|only| only != 0),
        client: said.str("v").map(|text| text.chars().filter(|c| !c.is_control()).take(64).collect()),
    }
}

impl Metadata {
    /// A part, and how many bytes the whole has, as BEP 9 asks of who sends it.
    #[must_use]
    pub fn encode_part(part: u32, bytes: &[u8], total: usize) -> Vec<u8> {
        let total = Value::Int(i64::try_from(total).unwrap_or(i64::MAX));
        let head = dict([("msg_type", Value::Int(1)), ("piece", Value::Int(part.into())), ("total_size", total)]);
        [&head.encode(), bytes].concat()
    }

    /// Its payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = |kind, part: u32| dict([("msg_type", Value::Int(kind)), ("piece", Value::Int(part.into()))]);
        match self {
            Self::Request(part) => head(0, *part).encode(),
            Self::Data { part, bytes } => [head(1, *part).encode(), bytes.to_vec()].concat(),
            Self::Reject(part) => head(2, *part).encode(),
        }
    }

    /// Reads a payload; `None` for one that means nothing.
    #[must_use]
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let (value, length) = Value::parse_front(payload).ok()?;
        let head = value.as_dict()?;
        let part = u32::try_from(head.int("piece")?).ok()?;
        match head.int("msg_type")? {
            0 => Some(Self::Request(part)),
            1 => Some(Self::Data { part, bytes: payload.slice(length..) }),
            2 => Some(Self::Reject(part)),
            _ => None,
        }
    }
}

/// Addresses that a peer exchange adds, at most 200.
#[must_use]
pub fn exchanged(payload: &[u8]) -> Vec<SocketAddr> {
    let Ok((value, _)) = Value::parse_front(payload) else { return Vec::new() };
    let Some(said) = value.as_dict() else { return Vec::new() };
    let v4 = compact_v4(said.bytes("added").unwrap_or_default());
    let v6 = compact_v6(said.bytes("added6").unwrap_or_default());
    v4.chain(v6).take(MAX_PEERS).collect()
}

/// Addresses of 4 bytes and a port each.
pub fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let address =
        |[a, b, c, d, high, low]: &[u8; 6]| (IpAddr::from([*a, *b, *c, *d]), u16::from_be_bytes([*high, *low]));
    bytes.as_chunks::<6>().0.iter().map(address).map(SocketAddr::from).filter(|at| at.port() != 0)
}

/// Addresses of 16 bytes and a port each.
pub fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let address = |bytes: &[u8; 18]| {
        let mut ip = [0; 16];
        ip.copy_from_slice(&bytes[..16]);
        SocketAddr::from((ip, u16::from_be_bytes([bytes[16], bytes[17]])))
    };
    bytes.as_chunks::<18>().0.iter().map(address).filter(|at| at.port() != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_handshake_is_understood() {
        let ours = abilities(&hello(true));
        assert_eq!(ours.metadata, Some(METADATA));
        let seed = abilities(&hello_of_seed(777, 250));
        assert_eq!((seed.metadata_size, seed.queue, seed.upload_only), (Some(777), Some(250), true));
        let theirs =
            abilities(b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e4:reqqi500e1:v4:Test7:unknown1:xe");
        assert_eq!((theirs.metadata, theirs.metadata_size, theirs.queue), (Some(3), Some(31_235), Some(500)));
        for hostile in ["d13:metadata_sizei-1ee", "d13:metadata_sizei99999999999ee", "d13:metadata_sizei0ee", "le", "x"]
        {
            assert_eq!(abilities(hostile.as_bytes()).metadata_size, None, "{hostile}");
        }
    }

    #[test]
    fn metadata_messages() {
        let data = Metadata::Data { part: 2, bytes: Bytes::from_static(b"i1e and more") };
        for message in [Metadata::Request(0), Metadata::Reject(7), data] {
            assert_eq!(Metadata::decode(&message.encode().into()), Some(message));
        }
        let part = Metadata::encode_part(3, b"bytes", 99);
        let read = Metadata::Data { part: 3, bytes: Bytes::from_static(b"bytes") };
        assert_eq!(Metadata::decode(&part.into()), Some(read));
        assert_eq!(Metadata::decode(&Bytes::from_static(b"d8:msg_typei9e5:piecei0ee")), None);
    }

    #[test]
    fn exchanged_peers() {
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0, 80]].concat();
        let said = dict([
            ("added", Value::Bytes(b"\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\0\0odd")),
            ("added6", Value::Bytes(&v6)),
        ]);
        let found: Vec<String> = exchanged(&said.encode()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["1.2.3.4:6881", "[2001:db8::1]:80"]);
        let many = vec![1; 6 * 5000];
        assert_eq!(exchanged(&dict([("added", Value::Bytes(&many))]).encode()).len(), MAX_PEERS);
    }

    proptest! {
        #[test]
        fn foreign_payloads_are_read_or_ignored(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (abilities(&bytes), exchanged(&bytes), Metadata::decode(&bytes.into()));
        }
    }
}
