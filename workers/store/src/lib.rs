//! Content by id on a file system volume or S3, for every worker.
//!
//! ```text
//! blobs/<aa>/<id>                whole file of a content, immutable
//! contents/<id>.json             its manifest, put only if absent: the moment the content begins to exist
//! trees/<key>/<attempt>/<path>   files of a rendition
//! renditions/<key>.json          its manifest, put only if absent
//! staging/<claim>/…              download in progress: data and checkpoint
//! runs/<run>/…                   workspace of a rendition set
//! ```
//!
//! A crash at any point leaves nothing visible or the whole, and what is visible is durable. No path is built from foreign
//! text. What contents and renditions mean is said in `videocloud-protocol`; who may see them is the tracker's business.

mod contents;
mod durability;
mod error;
mod layout;
mod location;
mod objects;
mod runs;
mod space;
mod staging;
mod sweep;
mod torrents;
mod trees;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use durability::Durability;
pub use error::{Result, StoreError};
pub use location::{BucketUrl, S3Keys, StoreUrl};
pub use objects::ByteStream;
use objects::{Objects, fs::FsObjects, s3::S3Objects};
pub use runs::Run;
pub use space::{Space, Usage};
pub use staging::{After, Arriving, Checkpoint, Published, Shown, Staging};
pub use sweep::Swept;
pub use trees::TreeStaging;
pub use videocloud_protocol::rendition::TreePath;

/// A store. Cloning it is cheap; clones share connections.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    objects: Objects,
    url: StoreUrl,
    scratch: PathBuf,
}

impl Store {
    /// Opens a store. `scratch` is a writable local folder for downloads in progress on S3 (a file system store does
    /// not use it). S3 credentials come from the environment, as for every AWS client, and S3 needs the process's default
    /// TLS provider of rustls to be installed before. On a file system the root folder is made if it is missing; S3 is not asked anything yet.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], or [`StoreError::Io`] when the folder cannot be used.
    pub fn open(url: &StoreUrl, scratch: &Path) -> Result<Self> {
        Self::open_with_keys(url, scratch, None)
    }

    /// Opens a folder as a store of the given durability.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder cannot be used.
    pub fn open_folder(root: &Path, durability: Durability) -> Result<Self> {
        let objects = Objects::Fs(FsObjects::open(root, durability)?);
        let url = StoreUrl::Folder(root.to_owned());
        Ok(Self(Arc::new(Inner { objects, url, scratch: std::env::temp_dir() })))
    }

    /// Opens a store only to read it: no folder is made, so a volume may be mounted read-only, and may be empty as yet.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], or [`StoreError::Io`] when the folder cannot be named.
    pub fn open_to_read(url: &StoreUrl) -> Result<Self> {
        let objects = match url {
            StoreUrl::Folder(root) => Objects::Fs(FsObjects::open_to_read(root)?),
            StoreUrl::Bucket(bucket) => Objects::S3(S3Objects::open(bucket, None)?),
        };
        Ok(Self(Arc::new(Inner { objects, url: url.clone(), scratch: std::env::temp_dir() })))
    }

    /// As [`Store::open`], with the credentials of the S3 server given here instead of by the environment.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with_keys(url: &StoreUrl, scratch: &Path, keys: Option<&S3Keys>) -> Result<Self> {
        let objects = match url {
            StoreUrl::Folder(root) => Objects::Fs(FsObjects::open(root, Durability::PowerLoss)?),
            StoreUrl::Bucket(bucket) => Objects::S3(S3Objects::open(bucket, keys)?),
        };
        Ok(Self(Arc::new(Inner { objects, url: url.clone(), scratch: scratch.to_owned() })))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &StoreUrl {
        &self.0.url
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.0.objects
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.0.scratch
    }
}
