//! Info hashes: what a swarm is named by.

use std::{fmt, str::FromStr};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// SHA-1 of the info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V1Hash(pub [u8; 20]);

/// SHA-256 of the info dictionary (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V2Hash(pub [u8; 32]);

/// The 20 bytes by which a handshake, a tracker or the DHT names a swarm: a v1 hash, or the front of a v2 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// The hashes a torrent goes by; at least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoHashes {
    v1: Option<V1Hash>,
    v2: Option<V2Hash>,
}

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to read an info hash: {0} is needed")]
pub struct InvalidHash(&'static str);

impl V1Hash {
    /// The hash of an info dictionary's bytes.
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self(Sha1::digest(info).into())
    }
}

impl V2Hash {
    /// The hash of an info dictionary's bytes.
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self(Sha256::digest(info).into())
    }

    /// The hash as it is spoken on the wire.
    #[must_use]
    pub fn truncated(self) -> InfoHash {
        let mut front = [0; 20];
        front.copy_from_slice(&self.0[..20]);
        InfoHash(front)
    }
}

impl From<V1Hash> for InfoHash {
    fn from(hash: V1Hash) -> Self {
        Self(hash.0)
    }
}

impl InfoHashes {
    /// Both or one of them; `None` without any.
    #[must_use]
    pub const fn new(v1: Option<V1Hash>, v2: Option<V2Hash>) -> Option<Self> {
        if v1.is_none() && v2.is_none() { None } else { Some(Self { v1, v2 }) }
    }

    /// The v1 hash, of v1 and hybrid torrents.
    #[must_use]
    pub const fn v1(&self) -> Option<V1Hash> {
        self.v1
    }

    /// The v2 hash, of v2 and hybrid torrents.
    #[must_use]
    pub const fn v2(&self) -> Option<V2Hash> {
        self.v2
    }

    /// The names of the swarms: one, or two for a hybrid torrent. The v1 swarm comes first.
    #[must_use]
    pub fn swarms(&self) -> Vec<InfoHash> {
        self.v1.map(InfoHash::from).into_iter().chain(self.v2.map(V2Hash::truncated)).collect()
    }

    /// Whether `info` is the dictionary that these hashes name.
    #[must_use]
    pub fn match_info(&self, info: &[u8]) -> bool {
        self.v1.is_none_or(|hash| hash == V1Hash::of(info)) && self.v2.is_none_or(|hash| hash == V2Hash::of(info))
    }
}

impl FromStr for V1Hash {
    type Err = InvalidHash;

    /// 40 hexadecimal digits, or 32 characters of base32.
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = match text.len() {
            40 => hex::decode(text).ok(),
            32 => base32(text),
            _ => None,
        };
        let array = bytes.and_then(|bytes| bytes.try_into().ok());
        array.map(Self).ok_or(InvalidHash("40 hexadecimal digits or 32 characters of base32"))
    }
}

impl FromStr for V2Hash {
    type Err = InvalidHash;

    /// 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(InvalidHash("64 hexadecimal digits"))
    }
}

/// RFC 4648 base32 without padding, either case.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for digit in text.bytes() {
        let value = match digit.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            figure @ b'2'..=b'7' => figure - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

macro_rules! hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

hexadecimal!(V1Hash, V2Hash, InfoHash);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base32_name_the_same_hash() {
        let hex: V1Hash = "C12FE1C06BBA254A9DC9F519B335AA7C1367A88A".parse().unwrap();
        // The same bytes by coreutils' basenc --base32.
        let base32: V1Hash = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK".parse().unwrap();
        assert_eq!(hex, base32);
        assert_eq!(hex, "yex6dqdlxisuvhoj6um3gnnkpqjwpkek".parse().unwrap());
        for bad in ["", "abc", "g12fe1c06bba254a9dc9f519b335aa7c1367a88a", "1EX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"] {
            assert!(bad.parse::<V1Hash>().is_err(), "{bad}");
        }
    }
}
