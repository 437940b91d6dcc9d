//! Contents: the blob and the manifest that commits it, read, listed and deleted.
//!
//! A content exists exactly while its manifest does. To delete one, the manifest is first replaced by a tombstone (only
//! if nobody else changed it), then the blob goes, then the tombstone says that it is done. It stays: a publication looks
//! at the commit point before it places its blob and commits only if nothing changed there since, and an absent tombstone
//! would make "published and deleted again meanwhile" look like "nothing happened". So a blob is never taken from under a
//! manifest, whatever runs at the same time and wherever it crashes. A sweep retires tombstones long after.

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
};

/// A deletion that has not ended after this long is taken over: its process is gone.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);
/// Manifests read at the same time when listing.
const LIST_CONCURRENCY: usize = 16;

/// What lies at the commit point of a content.
#[derive(Deserialize)]
#[serde(untagged)]
enum Commit {
    Tombstone(Tombstone),
    Manifest(Box<ContentManifest>),
}

/// The content is being deleted, or was. Shorter than [`MAX_TOMBSTONE`] bytes.
#[derive(Serialize, Deserialize)]
struct Tombstone {
    /// Random, so that each deletion's tombstone is another object.
    deletion: String,
    /// Whether the blob is gone, so that the content may be published again.
    #[serde(default)]
    done: bool,
}

impl Tombstone {
    fn new() -> Self {
        Self { deletion: format!("{:032x}", rand::random::<u128>()), done: false }
    }

    fn bytes(&self) -> Bytes {
        let Self { deletion, done } = self;
        format!("{{\"deletion\":\"{deletion}\",\"done\":{done}}}").into()
    }
}

/// What a deletion leaves at the commit point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Tombstone,
    /// Only when no publication can have begun before the last deletion ended.
    Nothing,
}

/// Tombstones are shorter and manifests longer than this, in bytes.
pub(crate) const MAX_TOMBSTONE: u64 = 64;

/// The commit point of a content before it is published.
pub(crate) enum Slot {
    /// The content exists.
    Taken(ContentManifest),
    /// It may be published, if the commit point is then still as it was found.
    Free(Free),
}

/// How the commit point of a content that does not exist was found; to be had only by looking.
pub(crate) struct Free {
    /// The version of the last deletion's tombstone.
    tombstone: Option<Version>,
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
        match commit {
            Commit::Tombstone(tombstone) if tombstone.done => return Ok(false),
            Commit::Tombstone(_) if !self.is_abandoned(id).await? => return Err(being_deleted(id)),
            Commit::Tombstone(_) | Commit::Manifest(_) => {}
        }
        if self.delete_at(id, Some(version), Left::Tombstone).await? { Ok(true) } else { Err(being_deleted(id)) }
    }

    /// Deletes a blob that has no manifest; false when it has one by now, or is being deleted.
    pub(crate) async fn delete_uncommitted(&self, id: &ContentId) -> Result<bool> {
        let found = match self.find_commit(id).await? {
            None => None,
            Some((Commit::Tombstone(tombstone), version)) if tombstone.done => Some(version),
            Some(_) => return Ok(false),
        };
        self.delete_at(id, found, Left::Tombstone).await
    }

    /// Ends a deletion whose process is gone, and removes the tombstone of one that ended long ago; true when a deletion
    /// was ended.
    pub(crate) async fn sweep_tombstone(&self, id: &ContentId) -> Result<bool> {
        let Some((Commit::Tombstone(tombstone), version)) = self.find_commit(id).await? else { return Ok(false) };
        if !self.is_abandoned(id).await? {
            return Ok(false);
        }
        let left = if tombstone.done { Left::Nothing } else { Left::Tombstone };
        Ok(self.delete_at(id, Some(version), left).await? && !tombstone.done)
    }

    /// The commit point, to be looked at before a publication places its blob.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while the content is being deleted.
    pub(crate) async fn slot(&self, id: &ContentId) -> Result<Slot> {
        match self.find_commit(id).await? {
            Some((Commit::Manifest(manifest), _)) => Ok(Slot::Taken(*manifest)),
            Some((Commit::Tombstone(Tombstone { done: false, .. }), _)) => Err(being_deleted(id)),
            Some((Commit::Tombstone(_), version)) => Ok(Slot::Free(Free { tombstone: Some(version) })),
            None => Ok(Slot::Free(Free { tombstone: None })),
        }
    }

    /// Puts the manifest, if nothing happened at the commit point since it was found free: the moment at which a content
    /// begins to exist. When false, the blob placed meanwhile may be gone again.
    pub(crate) async fn commit(&self, manifest: &ContentManifest, free: Free) -> Result<bool> {
        let path = layout::content(&manifest.id);
        let bytes = serde_json::to_vec(manifest)
            .map_err(|e| StoreError::Corrupt { what: path.to_string(), detail: e.to_string() })?;
        self.put_at(&path, free.tombstone, bytes.into()).await
    }

    /// Deletes whatever is at a commit point last seen at `found`; false when somebody else changed it since.
    async fn delete_at(&self, id: &ContentId, found: Option<Version>, left: Left) -> Result<bool> {
        let path = layout::content(id);
        let mut tombstone = Tombstone::new();
        if !self.put_at(&path, found, tombstone.bytes()).await? {
            return Ok(false);
        }
        self.objects().delete(&layout::blob(id)).await?;
        self.objects().delete(&layout::torrent(id)).await?;
        if left == Left::Nothing {
            // Nobody commits over a tombstone that is not done, so this one is still there.
            self.objects().delete(&path).await?;
            return Ok(true);
        }
        // Taken over in between only by a process that thought this one dead; then that one says when it is done.
        if let Some((Commit::Tombstone(there), version)) = self.find_commit(id).await?
            && there.deletion == tombstone.deletion
        {
            tombstone.done = true;
            self.objects().replace(&path, version, tombstone.bytes()).await?;
        }
        Ok(true)
    }

    async fn put_at(&self, path: &layout::ObjectPath, found: Option<Version>, bytes: Bytes) -> Result<bool> {
        match found {
            Some(version) => self.objects().replace(path, version, bytes).await,
            None => Ok(self.objects().put_if_absent(path, bytes).await? == Put::Created),
        }
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

pub(crate) fn being_deleted(id: &ContentId) -> StoreError {
    StoreError::Busy { what: format!("content {id}"), reason: "it is being deleted" }
}
