//! Every whole-file hash in one reading.

use bytes::Bytes;
use sha2::Digest as _;
use videocloud_protocol::content::ContentHashes;
use videocloud_protocol::digest::{Algorithm, Digest};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::Staging;

use super::ed2k::Ed2k;
use crate::engine::{Status, stored};

/// Bytes read and hashed at a time.
const BLOCK: usize = 4 << 20;

/// The hashes of a whole content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// SHA-256: the content's id.
    pub sha256: [u8; 32],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// MD5.
    pub md5: [u8; 16],
    /// BLAKE3.
    pub blake3: [u8; 32],
    /// MD4 of the MD4s of eMule's parts.
    pub ed2k: [u8; 16],
}

impl Hashes {
    /// The digest of one algorithm.
    #[must_use]
    pub fn digest(&self, algorithm: Algorithm) -> Option<Digest> {
        let bytes: &[u8] = match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Blake3 => &self.blake3,
            Algorithm::Sha1 => &self.sha1,
            Algorithm::Md5 => &self.md5,
        };
        Digest::new(algorithm, bytes)
    }

    /// As manifests carry them.
    #[must_use]
    pub fn known_by(&self) -> ContentHashes {
        ContentHashes {
            sha1: Some(hex::encode(self.sha1)),
            blake3: Some(hex::encode(self.blake3)),
            ed2k: Some(hex::encode(self.ed2k)),
            ..ContentHashes::default()
        }
    }
}

#[derive(Default)]
struct Running {
    sha256: sha2::Sha256,
    sha1: sha1::Sha1,
    md5: md5::Md5,
    blake3: blake3::Hasher,
    ed2k: Ed2k,
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
        self.md5.update(bytes);
        self.blake3.update(bytes);
        self.ed2k.update(bytes);
    }

    fn finish(self) -> Hashes {
        Hashes {
            sha256: self.sha256.finalize().into(),
            sha1: self.sha1.finalize().into(),
            md5: self.md5.finalize().into(),
            blake3: *self.blake3.finalize().as_bytes(),
            ed2k: self.ed2k.finish(),
        }
    }
}

/// Reads `size` bytes and hashes them; the next block is read while one is hashed.
///
/// # Errors
/// The staging area cannot be read.
pub(super) async fn read(staging: &Staging, size: u64, status: &Status) -> Result<Hashes, Failure> {
    let mut running = Box::new(Running::default());
    let mut offset = 0;
    let mut block = next(staging, offset, size).await?;
    while !block.is_empty() {
        offset += block.len() as u64;
        let hashing = tokio::task::spawn_blocking(move || {
            running.update(&block);
            running
        });
        let (hashed, read) = tokio::join!(hashing, next(staging, offset, size));
        running = hashed.map_err(|error| {
            Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to hash: {error}"))
        })?;
        block = read?;
        status.verified(offset);
    }
    Ok(running.finish())
}

async fn next(staging: &Staging, offset: u64, size: u64) -> Result<Bytes, Failure> {
    let left = usize::try_from(size - offset).unwrap_or(usize::MAX).min(BLOCK);
    if left == 0 {
        return Ok(Bytes::new());
    }
    staging.read_at(offset, left).await.map_err(|error| stored(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let mut running = Running::default();
        for part in [&b"a"[..], b"b", b"c"] {
            running.update(part);
        }
        let hashes = running.finish();
        assert_eq!(hex::encode(hashes.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex::encode(hashes.sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex::encode(hashes.md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex::encode(hashes.blake3), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
        // RFC 1320, appendix A.5: one part, so the file's hash is the part's.
        assert_eq!(hex::encode(hashes.ed2k), "a448017aaf21d8525fc10ae87aa6729d");
    }
}
