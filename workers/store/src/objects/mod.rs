//! The byte level: whole objects under a path, on a file system or in a bucket, with one meaning on both.
//! A put is visible whole or not at all and durable when it returns. What objects mean lives in the layers above.

pub(crate) mod fs;
pub(crate) mod s3;
pub(crate) mod s3_multipart;

use std::{ops::Range, path::Path, time::SystemTime};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};

use crate::{
    error::{Result, StoreError},
    layout::ObjectPath,
};

/// Bytes of an object, in order, in pieces of at most 1 MiB (file system) or as the network brings them.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Manifests, markers and plans are small; anything larger under such a name is not ours.
pub(crate) const MAX_SMALL_OBJECT: u64 = 64 << 20;

/// What listing says of an object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectInfo {
    pub(crate) path: ObjectPath,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// What a put-if-absent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Created,
    Exists,
}

/// What an object was when it was read, so that it can be replaced only if nobody else did.
#[derive(Debug, Clone)]
pub(crate) enum Version {
    Bytes(Bytes),
    Tag(object_store::UpdateVersion),
}

/// One of the two backends.
#[derive(Debug, Clone)]
pub(crate) enum Objects {
    Fs(fs::FsObjects),
    S3(s3::S3Objects),
}

impl Objects {
    /// Writes an object whole, over an older one if there is one.
    pub(crate) async fn put(&self, path: &ObjectPath, bytes: Bytes) -> Result<()> {
        match self {
            Self::Fs(fs) => fs.put(path, bytes).await,
            Self::S3(s3) => s3.put(path, bytes).await,
        }
    }

    /// Writes an object unless there is one: of several callers with different bytes exactly one gets [`Put::Created`].
    pub(crate) async fn put_if_absent(&self, path: &ObjectPath, bytes: Bytes) -> Result<Put> {
        match self {
            Self::Fs(fs) => fs.put_if_absent(path, bytes).await,
            Self::S3(s3) => s3.put_if_absent(path, bytes).await,
        }
    }

    /// Writes an object if it is still at `version`; false when somebody else replaced or deleted it.
    pub(crate) async fn replace(&self, path: &ObjectPath, version: Version, bytes: Bytes) -> Result<bool> {
        match self {
            Self::Fs(fs) => fs.replace(path, version, bytes).await,
            Self::S3(s3) => s3.replace(path, version, bytes).await,
        }
    }

    /// Reads a small object whole, with its version.
    pub(crate) async fn get(&self, path: &ObjectPath) -> Result<(Bytes, Version)> {
        match self {
            Self::Fs(fs) => fs.get(path).await,
            Self::S3(s3) => s3.get(path).await,
        }
    }

    /// Like [`Objects::get`], with `None` for an object that is not there.
    pub(crate) async fn find(&self, path: &ObjectPath) -> Result<Option<(Bytes, Version)>> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Size and time of the last write.
    pub(crate) async fn stat(&self, path: &ObjectPath) -> Result<ObjectInfo> {
        match self {
            Self::Fs(fs) => fs.stat(path).await,
            Self::S3(s3) => s3.stat(path).await,
        }
    }

    /// Streams a range that lies within the object.
    pub(crate) async fn read(&self, path: &ObjectPath, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        match self {
            Self::Fs(fs) => fs.read(path, range).await,
            Self::S3(s3) => s3.read(path, range).await,
        }
    }

    /// Copies a local file in.
    pub(crate) async fn put_file(&self, path: &ObjectPath, from: &Path) -> Result<u64> {
        match self {
            Self::Fs(fs) => fs.put_file(path, from).await,
            Self::S3(s3) => s3.put_file(path, from).await,
        }
    }

    /// Lists everything below a folder, in no particular order.
    pub(crate) fn list(&self, folder: &str) -> BoxStream<'static, Result<ObjectInfo>> {
        match self {
            Self::Fs(fs) => fs.list(folder),
            Self::S3(s3) => s3.list(folder),
        }
    }

    /// Deletes an object; one that is not there is fine.
    pub(crate) async fn delete(&self, path: &ObjectPath) -> Result<()> {
        match self {
            Self::Fs(fs) => fs.delete(path).await,
            Self::S3(s3) => s3.delete(path).await,
        }
    }

    /// Deletes everything below a folder; one that is not there is fine.
    pub(crate) async fn delete_folder(&self, folder: &ObjectPath) -> Result<()> {
        match self {
            Self::Fs(fs) => fs.delete_folder(folder).await,
            Self::S3(s3) => s3.delete_folder(folder).await,
        }
    }
}
