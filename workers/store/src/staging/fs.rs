//! Staging in the store's own volume: the data file becomes the blob by a second name, so publishing copies nothing.

use bytes::Bytes;
use videocloud_protocol::{content::ContentManifest, ids::ClaimKey};

use super::{
    After, Checkpoint, Shown,
    file::Refusal,
    scratch::LocalArea,
    state::{Header, decode, encode},
};
use crate::{
    error::{Result, StoreError},
    layout,
    objects::{Put, fs::FsObjects},
};

/// A staging area on the volume of the store.
#[derive(Debug)]
pub(super) struct FsStaging {
    objects: FsObjects,
    area: LocalArea,
    pub(super) found: Option<Checkpoint>,
}

impl FsStaging {
    pub(super) async fn open(objects: FsObjects, claim: &ClaimKey) -> Result<Self> {
        let path = layout::staging(claim);
        let (area, checkpoint) =
            LocalArea::open(objects.file_path(&path), path.to_string(), objects.durability()).await?;
        let found = match checkpoint {
            Some(bytes) => {
                let (header, state) = decode(area.what(), &bytes)?;
                let end = area.blocking("examine", |data| data.len()).await?;
                let (kept, shown) = (std::iter::once(0..end).collect(), header.shown.is_some());
                Some(Checkpoint { state, size: header.size, kept, shown })
            }
            None => None,
        };
        Ok(Self { objects, area, found })
    }

    pub(super) async fn reserve(&self, size: u64) -> Result<()> {
        let what = self.area.what().to_owned();
        match self.area.blocking("reserve room for", move |data| Ok(data.reserve(size))).await? {
            Ok(()) => Ok(()),
            Err(Refusal::Full { free }) => Err(StoreError::Full { what, needed: size, free }),
            Err(Refusal::Io(e)) => Err(StoreError::io("reserve room for", what, e)),
        }
    }

    pub(super) async fn write(&self, offset: u64, pieces: Vec<Bytes>, after: After) -> Result<()> {
        self.area.blocking("write", move |data| data.write_at(offset, &pieces, after)).await
    }

    pub(super) async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.area.blocking("read", move |data| data.read_at(offset, length)).await
    }

    /// Fills `buffer`. Blocking.
    pub(super) fn read_here(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = self.area.data.read_into(offset, buffer);
        read.map_err(|error| StoreError::io("read", self.area.what(), error))
    }

    pub(super) async fn checkpoint(&self, state: &[u8], shown: Option<Shown>) -> Result<()> {
        let size = self.area.blocking("sync", |data| data.sync().and_then(|()| data.len())).await?;
        let header = Header { size: Some(size), shown, ..Header::default() };
        self.area.save(encode(self.area.what(), &header, state)?).await
    }

    /// Gives the bytes, complete and durable, the name of the blob, unless it is there.
    pub(super) async fn place(&self, manifest: &ContentManifest) -> Result<()> {
        let actual = self.area.blocking("examine", |data| data.len()).await?;
        if actual != manifest.size {
            let what = layout::blob(&manifest.id).to_string();
            return Err(StoreError::SizeMismatch { what, expected: manifest.size, actual });
        }
        self.area.blocking("seal", |data| data.seal()).await?;
        let blob = layout::blob(&manifest.id);
        if self.objects.link_in(self.area.data.path(), &blob).await? == Put::Exists {
            // Left by a crash between blob and manifest, or put there this moment by another claim: the same bytes by
            // name, and whole, because a blob gets its name last.
            match self.objects.stat(&blob).await {
                Ok(there) if there.size == manifest.size => {}
                Ok(there) => {
                    let (what, expected) = (blob.to_string(), manifest.size);
                    return Err(StoreError::SizeMismatch { what, expected, actual: there.size });
                }
                // Deleted this moment, so the commit that follows fails and the next attempt places it again.
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) async fn discard(&self) -> Result<()> {
        self.area.remove().await
    }
}
