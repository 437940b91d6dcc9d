//! The source on the scratch volume: whole, or only the bytes that a chunk needs.

use std::io;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::ContentId;
use videocloud_store::{Store, StoreError};

use super::workspace::stored;
use crate::disk::fault;
use crate::package::internal;
use crate::plan::reads::ByteRange;

/// Fetches the whole source into `scratch`.
pub(super) async fn whole(store: &Store, content: &ContentId, scratch: &Path) -> Result<PathBuf, Failure> {
    let size = size(store, content).await?;
    let to = scratch.join("source");
    // On a volume the kernel copies (or shares) the blocks; on object storage they are streamed.
    if let Some(blob) = store.open_file(content).await.map_err(|error| stored(&error))? {
        let copy = tokio::task::spawn_blocking({
            let to = to.clone();
            move || io::copy(&mut &*blob, &mut std::fs::File::create(to)?)
        });
        copy.await.map_err(internal)?.map_err(|error| fault("write the source to", &to, &error))?;
        return Ok(to);
    }
    ranges(store, content, scratch, &[ByteRange { start: 0, end: size }]).await
}

/// Fetches some bytes of the source into a file of its full size in `scratch`; the rest are holes, which take no room and read
/// as zeros.
pub(super) async fn ranges(
    store: &Store,
    content: &ContentId,
    scratch: &Path,
    ranges: &[ByteRange],
) -> Result<PathBuf, Failure> {
    let size = size(store, content).await?;
    let to = scratch.join("source");
    let unwritten = |error: io::Error| fault("write the source to", &to, &error);
    let mut file = tokio::fs::File::create(&to).await.map_err(unwritten)?;
    file.set_len(size).await.map_err(unwritten)?;
    let mut fetched = 0;
    for range in ranges {
        let mut bytes = store.read(content, range.start..range.end.min(size)).await.map_err(|error| stored(&error))?;
        file.seek(io::SeekFrom::Start(range.start)).await.map_err(unwritten)?;
        while let Some(part) = bytes.try_next().await.map_err(|error| stored(&error))? {
            fetched += part.len();
            file.write_all(&part).await.map_err(unwritten)?;
        }
    }
    file.flush().await.map_err(unwritten)?;
    tracing::info!(bytes = fetched, of = size, "source fetched");
    Ok(to)
}

async fn size(store: &Store, content: &ContentId) -> Result<u64, Failure> {
    match store.manifest(content).await {
        Ok(manifest) => Ok(manifest.size),
        Err(StoreError::NotFound { .. }) => {
            let message = format!("failed to find the source {content} in the store; it must be downloaded again");
            Err(Failure::new(FailureClass::SourceFailed, reason::NOT_FOUND, message))
        }
        Err(error) => Err(stored(&error)),
    }
}
