//! Renditions: a tree of files per attempt, and the manifest that commits one attempt.
//!
//! Attempts never share a folder, so a worker that was thought dead cannot touch the files of its successor, and
//! deleting a rendition cannot hit one that is published at the same moment.

use std::{fs::File, ops::Range, path::Path, sync::Arc};

use futures::{StreamExt, stream::BoxStream};
use videocloud_protocol::{
    ids::RenditionKey,
    rendition::{RenditionManifest, TreePath},
};

use crate::{
    Store,
    error::{Result, StoreError},
    layout::{self, ObjectPath, RENDITIONS},
    objects::{ByteStream, Put},
    staging::Published,
};

/// Manifests read at the same time when listing.
const LIST_CONCURRENCY: usize = 16;

/// The files of one attempt at a rendition, invisible until [`TreeStaging::publish`].
#[derive(Debug)]
pub struct TreeStaging {
    store: Store,
    key: RenditionKey,
    attempt: TreePath,
}

impl Store {
    /// Begins a new attempt at a rendition.
    ///
    /// # Errors
    /// None yet; the signature leaves room for backends that must ask.
    pub fn stage_tree(&self, key: &RenditionKey) -> Result<TreeStaging> {
        let attempt = format!("{:016x}", rand::random::<u64>());
        let attempt = attempt.parse().map_err(|_| StoreError::BadPath { path: attempt, detail: "not an attempt" })?;
        Ok(TreeStaging { store: self.clone(), key: *key, attempt })
    }

    /// The manifest of a rendition.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn rendition(&self, key: &RenditionKey) -> Result<RenditionManifest> {
        let path = layout::rendition(key);
        let (bytes, _) = self.objects().get(&path).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| StoreError::Corrupt { what: path.to_string(), detail: e.to_string() })
    }

    /// Streams bytes `range` of a file of a rendition.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn read_tree_file(
        &self,
        manifest: &RenditionManifest,
        file: &TreePath,
        range: Range<u64>,
    ) -> Result<ByteStream> {
        self.objects().read(&tree_file(manifest, file)?, range).await
    }

    /// The open file of a rendition, as [`Store::open_file`] for a content.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn open_tree_file(&self, manifest: &RenditionManifest, file: &TreePath) -> Result<Option<Arc<File>>> {
        self.open_object(&tree_file(manifest, file)?).await
    }

    /// Every rendition's manifest, in no particular order.
    pub fn list_renditions(&self) -> BoxStream<'static, Result<RenditionManifest>> {
        let this = self.clone();
        self.objects()
            .list(RENDITIONS)
            .map(move |object| {
                let this = this.clone();
                async move {
                    let Some(key) = rendition_of(object?.path.as_str()) else { return Ok(None) };
                    match this.rendition(&key).await {
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

    /// Deletes a rendition: its manifest, then its files; false when there was none.
    ///
    /// # Errors
    /// [`StoreError`] of the deletion; files left without a manifest are swept later.
    pub async fn delete_rendition(&self, key: &RenditionKey) -> Result<bool> {
        let manifest = match self.rendition(key).await {
            Ok(manifest) => manifest,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.objects().delete(&layout::rendition(key)).await?;
        self.objects().delete_folder(&layout::tree(key, &attempt_of(&manifest)?)).await?;
        Ok(true)
    }
}

impl TreeStaging {
    /// The attempt's name: what [`RenditionManifest::attempt`] must say.
    #[must_use]
    pub fn attempt(&self) -> &str {
        self.attempt.as_str()
    }

    /// Copies a local file into the tree, durable when it returns; gives its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub async fn put_file(&self, path: &TreePath, from: &Path) -> Result<u64> {
        self.store.objects().put_file(&self.folder().join(path), from).await
    }

    /// Publishes the tree under `manifest`, unless the rendition exists already; then these files are dropped.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the manifest names another rendition or attempt, or a file that is missing here
    /// or has another size.
    pub async fn publish(&self, manifest: &RenditionManifest) -> Result<Published<RenditionManifest>> {
        let path = layout::rendition(&self.key);
        let wrong = |detail: String| StoreError::Corrupt { what: path.to_string(), detail };
        if manifest.key != self.key || manifest.attempt != self.attempt.as_str() {
            return Err(wrong("the manifest is for another rendition or attempt".into()));
        }
        for file in &manifest.files {
            let size = self.store.objects().stat(&self.folder().join(&file.path)).await?.size;
            if size != file.size {
                return Err(wrong(format!("{} has {size} bytes, the manifest says {}", file.path, file.size)));
            }
        }
        let bytes = serde_json::to_vec(manifest).map_err(|e| wrong(e.to_string()))?;
        match self.store.objects().put_if_absent(&path, bytes.into()).await? {
            Put::Created => Ok(Published::New),
            Put::Exists => {
                let existing = self.store.rendition(&self.key).await?;
                if existing.attempt != self.attempt.as_str() {
                    self.discard().await?;
                }
                Ok(Published::AlreadyThere(existing))
            }
        }
    }

    /// Drops the files of this attempt. Not after [`TreeStaging::publish`] answered [`Published::New`].
    ///
    /// # Errors
    /// [`StoreError`] of the deletion; what is left is swept later.
    pub async fn discard(&self) -> Result<()> {
        self.store.objects().delete_folder(&self.folder()).await
    }

    fn folder(&self) -> ObjectPath {
        layout::tree(&self.key, &self.attempt)
    }
}

/// The rendition whose commit point a listed object is.
pub(crate) fn rendition_of(path: &str) -> Option<RenditionKey> {
    path.strip_prefix(RENDITIONS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()
}

fn tree_file(manifest: &RenditionManifest, file: &TreePath) -> Result<ObjectPath> {
    Ok(layout::tree(&manifest.key, &attempt_of(manifest)?).join(file))
}

fn attempt_of(manifest: &RenditionManifest) -> Result<TreePath> {
    manifest
        .attempt
        .parse()
        .map_err(|_| StoreError::BadPath { path: manifest.attempt.clone(), detail: "it is no attempt's name" })
}
