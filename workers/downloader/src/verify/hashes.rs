//! Every whole-file hash in one reading.

use sha2::Digest as _;
use videocloud_protocol::content::ContentHashes;
use videocloud_protocol::digest::{Algorithm, Digest};

use super::ed2k::Ed2k;

/// Which hashes are computed beside SHA-256, which always is: it names the content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Which {
    sha1: bool,
    md5: bool,
    blake3: bool,
    ed2k: bool,
}

impl Which {
    /// All, for an index that finds a content by any of them.
    pub const ALL: Self = Self { sha1: true, md5: true, blake3: true, ed2k: true };

    /// These and the ed2k hash.
    #[must_use]
    pub fn and_ed2k(self) -> Self {
        Self { ed2k: true, ..self }
    }

    /// These and `algorithm`.
    #[must_use]
    pub fn and(mut self, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => {}
            Algorithm::Sha1 => self.sha1 = true,
            Algorithm::Md5 => self.md5 = true,
            Algorithm::Blake3 => self.blake3 = true,
        }
        self
    }
}

/// The hashes of a whole content, as far as they were computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// SHA-256: the content's id.
    pub sha256: [u8; 32],
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// BLAKE3.
    pub blake3: Option<[u8; 32]>,
    /// MD4 of the MD4s of eMule's parts.
    pub ed2k: Option<[u8; 16]>,
}

impl Hashes {
    /// The digest of one algorithm, if it was computed.
    #[must_use]
    pub fn digest(&self, algorithm: Algorithm) -> Option<Digest> {
        let bytes: &[u8] = match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Blake3 => self.blake3.as_ref()?,
            Algorithm::Sha1 => self.sha1.as_ref()?,
            Algorithm::Md5 => self.md5.as_ref()?,
        };
        Digest::new(algorithm, bytes)
    }

    /// As manifests carry them.
    #[must_use]
    pub fn known_by(&self) -> ContentHashes {
        ContentHashes {
            sha1: self.sha1.map(hex::encode),
            blake3: self.blake3.map(hex::encode),
            ed2k: self.ed2k.map(hex::encode),
            ..ContentHashes::default()
        }
    }
}

/// Hashes under way, the slow algorithms on threads of their own.
pub(super) struct Running {
    sha256: sha2::Sha256,
    sha1: Option<sha1::Sha1>,
    md5: Option<md5::Md5>,
    blake3: Option<Box<blake3::Hasher>>,
    ed2k: Option<Box<Ed2k>>,
}

impl Running {
    /// Nothing hashed yet.
    pub(super) fn new(which: Which) -> Self {
        Self {
            sha256: sha2::Sha256::default(),
            sha1: which.sha1.then(Default::default),
            md5: which.md5.then(Default::default),
            blake3: which.blake3.then(Default::default),
            ed2k: which.ed2k.then(Default::default),
        }
    }

    /// Takes in the next bytes. Blocking.
    pub(super) fn update<B: AsRef<[u8]> + Sync>(&mut self, pieces: &[B]) {
        let Self { sha256, sha1, md5, blake3, ed2k } = self;
        std::thread::scope(|scope| {
            if let Some(md5) = md5 {
                scope.spawn(move || pieces.iter().for_each(|piece| md5.update(piece.as_ref())));
            }
            if let Some(ed2k) = ed2k {
                scope.spawn(move || pieces.iter().for_each(|piece| ed2k.update(piece.as_ref())));
            }
            // Piece by piece through all of them, while it is in the cache.
            for piece in pieces.iter().map(AsRef::as_ref) {
                sha256.update(piece);
                if let Some(sha1) = sha1 {
                    sha1.update(piece);
                }
                if let Some(blake3) = blake3 {
                    blake3.update(piece);
                }
            }
        });
    }

    pub(super) fn finish(self) -> Hashes {
        Hashes {
            sha256: self.sha256.finalize().into(),
            sha1: self.sha1.map(|hasher| hasher.finalize().into()),
            md5: self.md5.map(|hasher| hasher.finalize().into()),
            blake3: self.blake3.map(|hasher| *hasher.finalize().as_bytes()),
            ed2k: self.ed2k.map(|hasher| hasher.finish()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let mut running = Running::new(Which::ALL);
        for part in [&b"a"[..], b"b", b"c"] {
            running.update(&[part]);
        }
        let hashes = running.finish();
        assert_eq!(hex::encode(hashes.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex::encode(hashes.sha1.unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex::encode(hashes.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            hex::encode(hashes.blake3.unwrap()),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
        // RFC 1320, appendix A.5: one part, so the file's hash is the part's.
        assert_eq!(hex::encode(hashes.ed2k.unwrap()), "a448017aaf21d8525fc10ae87aa6729d");
    }
}
