//! Contents: the blob and the manifest that commits it, read, listed and deleted.
//!
//! A content exists exactly while its manifest does. To delete one, the manifest is first replaced by a tombstone (only
//! if nobody else changed it), then the blob goes, then the tombstone. While the tombstone stands no publication can
//! commit, so a blob is never taken from under a manifest, whatever runs at the same time and wherever it crashes.

use std::{
    fs::File,
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use videocloud_protocol::{content::ContentManifest, ids::ContentId};

use crate::{
    Store,
    error::{Result, StoreError},
    layout::{self, CONTENTS},
    objects::{ByteStream, Objects, Put, Version},
    staging::Published,
};

/// A deletion that has not ended after this long is taken over: its process is gone.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);
/// Manifests read at the same time when listing.
const LIST_CONCURRENCY: usize = 16;

/// What lies at the commit point of a content.
#[derive(Deserialize)]
#[serde(untagged)]
enum Commit {
    Tombstone(#[allow(dead_code, reason = "only its shape is of interest")] Tombstone),
    Manifest(Box<ContentManifest>),
}

/// The content is being deleted.
#[derive(Serialize, Deserialize)]
struct Tombstone {
    /// Random, so that each deletion's tombstone is another object.
    deletion: String,
}

impl Tombstone {
    fn bytes() -> Bytes {
        format!("{{\"deletion\":\"{:032x}\"}}", rand::random::<u128>()).into()
    }
}

impl Store {
    /// The manifest of a content.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is being deleted.
    pub async fn manifest(&self, id: &ContentId) -> Result<ContentManifest> {
        match self.find_commit(id).await? {
            Some((Commit::Manifest(manifest), _)) => Ok(*manifest),
            Some((Commit::Tombstone(_), _)) | None => Err(StoreError::NotFound { what: format!("content {id}") }),
        }
    }

    /// Streams bytes `range` of a content. The manifest (and so the existence) is the caller's to know.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Io`] in the stream past the end of the content.
    pub async fn read(&self, id: &ContentId, range: Range<u64>) -> Result<ByteStream> {
        self.objects().read(&layout::blob(id), range).await
    }

    /// The open file of a content, where the store is on a file system: the fast path for `pread` and `sendfile`. `None`
    /// on object storage. It stays readable when the content is deleted meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn open_file(&self, id: &ContentId) -> Result<Option<Arc<File>>> {
        self.open_object(&layout::blob(id)).await
    }

    /// Every content's manifest, in no particular order.
    pub fn list(&self) -> BoxStream<'static, Result<ContentManifest>> {
        let this = self.clone();
        self.objects()
            .list(CONTENTS)
            .map(move |object| {
                let this = this.clone();
                async move {
                    let Some(id) = content_of(object?.path.as_str()) else { return Ok(None) };
                    match this.manifest(&id).await {
                        Ok(manifest) => Ok(Some(manifest)),
                        Err(StoreError::NotFound { .. }) => Ok(None),
                        Err(error) => Err(error),
                    }
                }
            })
            .buffer_unordered(LIST_CONCURRENCY)
            .filter_map(|found: Result<_>| async move { found.transpose() })
            .boxed()
    }

    /// Deletes a content; false when there was none.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process is deleting it.
    pub async fn delete(&self, id: &ContentId) -> Result<bool> {
        let Some((commit, version)) = self.find_commit(id).await? else { return Ok(false) };
        if matches!(commit, Commit::Tombstone(_)) && !self.is_abandoned(id).await? {
            return Err(being_deleted(id));
        }
        if !self.objects().replace(&layout::content(id), version, Tombstone::bytes()).await? {
            return Err(being_deleted(id));
        }
        self.finish_deletion(id).await?;
        Ok(true)
    }

    /// Deletes a blob that has no manifest; false when it has one by now.
    pub(crate) async fn delete_uncommitted(&self, id: &ContentId) -> Result<bool> {
        if self.objects().put_if_absent(&layout::content(id), Tombstone::bytes()).await? == Put::Exists {
            return Ok(false);
        }
        self.finish_deletion(id).await?;
        Ok(true)
    }

    /// Ends a deletion whose process is gone; false when there is none.
    pub(crate) async fn finish_abandoned_deletion(&self, id: &ContentId) -> Result<bool> {
        match self.find_commit(id).await? {
            Some((Commit::Tombstone(_), version)) if self.is_abandoned(id).await? => {
                if !self.objects().replace(&layout::content(id), version, Tombstone::bytes()).await? {
                    return Ok(false);
                }
                self.finish_deletion(id).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The manifest, if the content exists.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while it is being deleted.
    pub(crate) async fn committed(&self, id: &ContentId) -> Result<Option<ContentManifest>> {
        match self.find_commit(id).await? {
            Some((Commit::Manifest(manifest), _)) => Ok(Some(*manifest)),
            Some((Commit::Tombstone(_), _)) => Err(being_deleted(id)),
            None => Ok(None),
        }
    }

    /// Puts the manifest, unless there is one: the moment at which a content begins to exist.
    pub(crate) async fn commit(&self, manifest: &ContentManifest) -> Result<Published<ContentManifest>> {
        let path = layout::content(&manifest.id);
        let bytes = serde_json::to_vec(manifest)
            .map_err(|e| StoreError::Corrupt { what: path.to_string(), detail: e.to_string() })?;
        match self.objects().put_if_absent(&path, bytes.into()).await? {
            Put::Created => Ok(Published::New),
            Put::Exists => match self.committed(&manifest.id).await? {
                Some(existing) => Ok(Published::AlreadyThere(existing)),
                // Deleted again between the two requests: this publication came before.
                None => Err(being_deleted(&manifest.id)),
            },
        }
    }

    async fn finish_deletion(&self, id: &ContentId) -> Result<()> {
        self.objects().delete(&layout::blob(id)).await?;
        self.objects().delete(&layout::content(id)).await
    }

    async fn is_abandoned(&self, id: &ContentId) -> Result<bool> {
        match self.objects().stat(&layout::content(id)).await {
            Ok(object) => Ok(SystemTime::now().duration_since(object.modified).is_ok_and(|age| age > ABANDONED_AFTER)),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn find_commit(&self, id: &ContentId) -> Result<Option<(Commit, Version)>> {
        let path = layout::content(id);
        let Some((bytes, version)) = self.objects().find(&path).await? else { return Ok(None) };
        let commit = serde_json::from_slice(&bytes)
            .map_err(|e| StoreError::Corrupt { what: path.to_string(), detail: e.to_string() })?;
        Ok(Some((commit, version)))
    }

    /// The open file of an object on a file system; `None` on object storage.
    pub(crate) async fn open_object(&self, path: &layout::ObjectPath) -> Result<Option<Arc<File>>> {
        match self.objects() {
            Objects::Fs(fs) => fs.open_file(path).await.map(Some),
            Objects::S3(_) => Ok(None),
        }
    }
}

/// The content whose commit point a listed object is.
pub(crate) fn content_of(path: &str) -> Option<ContentId> {
    path.strip_prefix(CONTENTS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()
}

fn being_deleted(id: &ContentId) -> StoreError {
    StoreError::Busy { what: format!("content {id}"), reason: "it is being deleted" }
}
