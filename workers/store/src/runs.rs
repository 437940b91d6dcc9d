//! The workspace of a rendition set: what its plan, chunk and finish steps hand to each other.

use std::{fs::File, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;
use videocloud_protocol::{ids::RunId, rendition::TreePath};

use crate::{
    Store,
    error::{Result, StoreError},
    layout::{self, ObjectPath},
    objects::{ByteStream, Put},
};

/// A workspace. Every put is visible whole or not at all and durable when it returns.
#[derive(Debug, Clone)]
pub struct Run {
    store: Store,
    folder: ObjectPath,
}

impl Store {
    /// The workspace of a run; it exists as soon as something is put there.
    #[must_use]
    pub fn run(&self, run: &RunId) -> Run {
        Run { store: self.clone(), folder: layout::run(run) }
    }
}

impl Run {
    /// Writes a small object, over an older one.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub async fn put(&self, path: &TreePath, bytes: impl Into<Bytes>) -> Result<()> {
        self.store.objects().put(&self.folder.join(path), bytes.into()).await
    }

    /// Writes a marker unless there is one; true when this call wrote it. Of several callers exactly one gets true.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub async fn put_if_absent(&self, path: &TreePath, bytes: impl Into<Bytes>) -> Result<bool> {
        let put = self.store.objects().put_if_absent(&self.folder.join(path), bytes.into()).await?;
        Ok(put == Put::Created)
    }

    /// Copies a local file in, over an older one; gives its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub async fn put_file(&self, path: &TreePath, from: &Path) -> Result<u64> {
        self.store.objects().put_file(&self.folder.join(path), from).await
    }

    /// Reads a small object (up to 64 MiB); `None` when it is not there.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    pub async fn get(&self, path: &TreePath) -> Result<Option<Bytes>> {
        Ok(self.store.objects().find(&self.folder.join(path)).await?.map(|(bytes, _)| bytes))
    }

    /// Streams a whole object, with its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn read(&self, path: &TreePath) -> Result<(u64, ByteStream)> {
        let path = self.folder.join(path);
        let size = self.store.objects().stat(&path).await?.size;
        Ok((size, self.store.objects().read(&path, 0..size).await?))
    }

    /// Streams bytes `range` of an object.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn read_range(&self, path: &TreePath, range: Range<u64>) -> Result<ByteStream> {
        self.store.objects().read(&self.folder.join(path), range).await
    }

    /// The open file of an object, as [`Store::open_file`] for a content.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn open_file(&self, path: &TreePath) -> Result<Option<Arc<File>>> {
        self.store.open_object(&self.folder.join(path)).await
    }

    /// Copies an object to a local file, which is replaced; gives its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::ScratchFull`] when there is no room for the copy.
    pub async fn get_file(&self, path: &TreePath, to: &Path) -> Result<u64> {
        let (size, mut stream) = self.read(path).await?;
        let failed = |e: std::io::Error| match StoreError::io("write", to.display().to_string(), e) {
            StoreError::Full { what, .. } => StoreError::ScratchFull { what, needed: size, free: 0 },
            other => other,
        };
        let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
        while let Some(bytes) = stream.try_next().await? {
            file.write_all(&bytes).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        Ok(size)
    }

    /// Paths and sizes (bytes) of everything in the workspace, in order of paths.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    pub async fn list(&self) -> Result<Vec<(TreePath, u64)>> {
        let below = format!("{}/", self.folder);
        let mut found: Vec<_> = self
            .store
            .objects()
            .list(self.folder.as_str())
            .try_filter_map(|object| {
                let path = object.path.as_str().strip_prefix(&below).and_then(|path| path.parse().ok());
                std::future::ready(Ok(path.map(|path| (path, object.size))))
            })
            .try_collect()
            .await?;
        found.sort_unstable();
        Ok(found)
    }

    /// Deletes one object; one that is not there is fine.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    pub async fn delete(&self, path: &TreePath) -> Result<()> {
        self.store.objects().delete(&self.folder.join(path)).await
    }

    /// Deletes the whole workspace.
    ///
    /// # Errors
    /// [`StoreError`] of the backend; what is left is swept later.
    pub async fn delete_all(&self) -> Result<()> {
        self.store.objects().delete_folder(&self.folder).await
    }
}
