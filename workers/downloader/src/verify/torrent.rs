//! The torrents of a content, made when it is published: the tracker serves only torrents whose hashes are known, and an uploader would
//! have to read the whole to make it later.

use videocloud_protocol::content::ContentManifest;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::torrent::make::{Hasher, Torrents};
use videocloud_store::Staging;

use crate::engine::stored;

/// Bytes read and hashed at a time.
const BLOCK: u64 = 1 << 20;

/// The torrents of the staged bytes, of which `manifest` says everything but the info hashes.
pub(super) async fn of(staging: &Staging, manifest: &ContentManifest) -> Result<Torrents, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to make a torrent: {error}"))
    };
    let (mut hasher, mut at) = (Hasher::new(manifest.size), 0);
    while at < manifest.size {
        let length = usize::try_from((manifest.size - at).min(BLOCK)).unwrap_or_default();
        let bytes = staging.read_at(at, length).await.map_err(|error| stored(&error))?;
        at += bytes.len() as u64;
        let hashed = tokio::task::spawn_blocking(move || {
            hasher.update(&bytes);
            hasher
        });
        hasher = hashed.await.map_err(|error| broken(&error))?;
    }
    let pieces = hasher.finish().ok_or_else(|| broken(&"bytes are missing"))?;
    pieces.torrents(&manifest.file_name(), true).map_err(|error| broken(&error))
}
