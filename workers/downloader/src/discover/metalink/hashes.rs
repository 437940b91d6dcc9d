//! Hashes as Metalink documents write them.

use videocloud_protocol::digest::Algorithm;

use crate::discover::{PieceHashes, Pieces, Tail};

/// The algorithm behind a name of the IANA registry (version 4) or of version 3; `None` for those that are not used.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name.to_ascii_lowercase().as_str() {
        "sha-256" | "sha256" => Some(Algorithm::Sha256),
        "sha-1" | "sha1" => Some(Algorithm::Sha1),
        "md5" => Some(Algorithm::Md5),
        _ => None,
    }
}

/// One list of piece hashes, in the making.
pub(super) struct PieceList {
    algorithm: Option<Algorithm>,
    length: Option<u64>,
    hashes: Vec<Vec<u8>>,
    /// An index that is out of order, or a text that is no hash.
    broken: bool,
}

impl PieceList {
    pub(super) fn new(name: &str, length: Option<u64>) -> Self {
        Self { algorithm: algorithm(name), length, hashes: Vec::new(), broken: false }
    }

    /// The next hash; version 3 numbers them.
    pub(super) fn push(&mut self, index: Option<usize>, text: &str) {
        self.broken |= index.is_some_and(|index| index != self.hashes.len());
        match hex::decode(text) {
            Ok(hash) if !self.broken => self.hashes.push(hash),
            _ => self.broken = true,
        }
    }

    /// The pieces of a content of `size` bytes, with a number that grows with their strength.
    pub(super) fn fit(self, size: u64) -> Option<(u8, Pieces)> {
        if self.broken {
            return None;
        }
        let (strength, hashes) = match self.algorithm? {
            Algorithm::Sha256 => (2, PieceHashes::Sha256(exact(&self.hashes)?)),
            Algorithm::Sha1 => (1, PieceHashes::Sha1(exact(&self.hashes)?)),
            _ => return None,
        };
        Some((strength, Pieces::new(self.length?, size, 0, Tail::End, hashes).ok()?))
    }
}

fn exact<const N: usize>(hashes: &[Vec<u8>]) -> Option<Vec<[u8; N]>> {
    hashes.iter().map(|hash| <[u8; N]>::try_from(hash.as_slice()).ok()).collect()
}
