//! The two backends under test, each in a place of its own that goes away with the test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod moto;
pub mod venv;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId},
};
use videocloud_store::{ByteStream, S3Keys, Store, StoreUrl};

/// One backend, opened as often as a test wants.
pub struct Place {
    pub url: StoreUrl,
    pub folder: tempfile::TempDir,
    _server: Option<Arc<moto::Moto>>,
}

impl Place {
    pub fn fs() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Folder(folder.path().join("store"));
        Self { url, folder, _server: None }
    }

    pub fn s3() -> Self {
        let server = moto::Moto::shared();
        let bucket = server.new_bucket();
        let url = format!("s3://{bucket}/some/prefix?endpoint={}", server.endpoint()).parse().unwrap();
        Self { url, folder: tempfile::tempdir().unwrap(), _server: Some(server) }
    }

    /// The store as a process on the node `node` sees it: nodes share nothing but the store.
    pub fn open_on(&self, node: &str) -> Store {
        let keys = S3Keys { access_key_id: "test".into(), secret_access_key: "test".into() };
        Store::open_with_keys(&self.url, &self.scratch(node), Some(&keys)).unwrap()
    }

    pub fn scratch(&self, node: &str) -> PathBuf {
        self.folder.path().join("scratch").join(node)
    }

    pub fn open(&self) -> Store {
        self.open_on("a")
    }

    pub fn is_s3(&self) -> bool {
        matches!(self.url, StoreUrl::Bucket(_))
    }
}

/// Bytes that differ everywhere and are the same for the same seed.
pub fn content(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

pub fn id_of(bytes: &[u8]) -> ContentId {
    ContentId::from_bytes(Sha256::digest(bytes).into())
}

pub fn manifest_of(bytes: &[u8]) -> ContentManifest {
    ContentManifest {
        id: id_of(bytes),
        size: bytes.len() as u64,
        mime: "video/mp4".into(),
        hashes: ContentHashes::default(),
        verification: Verification::Digest,
        visibility: Visibility::Public,
        created: 1_700_000_000,
    }
}

pub fn claim(seed: u8) -> ClaimKey {
    ClaimKey::from_bytes([seed; 16])
}

pub async fn collect(stream: ByteStream) -> Vec<u8> {
    stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}
