//! Objects in a bucket of S3 or of a compatible server, through `object_store`.
//!
//! The server makes a put visible whole and durable when it answers. Conditional puts (`If-None-Match: *`, `If-Match`)
//! are what makes commit points exclusive, so a server without them (S3 before 2024) cannot be used.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, MultipartId, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, RetryConfig, UpdateVersion,
    aws::{AmazonS3, AmazonS3Builder, Checksum},
    multipart::{MultipartStore, PartId},
    path::Path as Key,
};
use tokio::io::AsyncReadExt;

use super::{ByteStream, MAX_SMALL_OBJECT, ObjectInfo, Put, Version, s3_multipart::SignedRequests};
use crate::{
    error::{Result, StoreError},
    layout::ObjectPath,
    location::{BucketUrl, S3Keys},
};

/// Bytes of a part when a local file of known size is copied in: small enough to hold a few in memory.
const COPY_PART: u64 = 16 << 20;
/// Objects deleted at the same time.
const DELETE_CONCURRENCY: usize = 16;

/// A prefix in a bucket.
#[derive(Debug, Clone)]
pub(crate) struct S3Objects {
    client: Arc<AmazonS3>,
    pub(crate) requests: SignedRequests,
    prefix: Arc<str>,
}

impl S3Objects {
    /// Prepares the client; nothing is asked of the server yet.
    pub(crate) fn open(url: &BucketUrl, keys: Option<&S3Keys>) -> Result<Self> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 2.0,
            },
            max_retries: 8,
            retry_timeout: Duration::from_secs(120),
        };
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(10))
            .with_timeout_disabled()
            .with_read_timeout(Duration::from_secs(30))
            .with_pool_idle_timeout(Duration::from_secs(30));
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&url.bucket)
            .with_region(&url.region)
            .with_retry(retry)
            .with_client_options(options)
            .with_checksum_algorithm(Checksum::SHA256);
        if let Some(keys) = keys {
            builder = builder.with_access_key_id(&keys.access_key_id).with_secret_access_key(&keys.secret_access_key);
        }
        if let Some(endpoint) = &url.endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_virtual_hosted_style_request(false)
                .with_allow_http(endpoint.scheme() == "http");
        }
        let client = builder.build().map_err(|e| StoreError::BadUrl { detail: e.to_string() })?;
        let client = Arc::new(client);
        let requests = SignedRequests::new(client.clone(), url)?;
        Ok(Self { client, requests, prefix: url.prefix.as_str().into() })
    }

    /// The key of an object in the bucket.
    pub(crate) fn key(&self, path: &ObjectPath) -> Key {
        Key::from(if self.prefix.is_empty() { path.to_string() } else { format!("{}/{path}", self.prefix) })
    }

    /// The object a key of the bucket stands for.
    pub(crate) fn path(&self, key: &Key) -> ObjectPath {
        let text = key.as_ref();
        let text = text.strip_prefix(&*self.prefix).unwrap_or(text);
        ObjectPath::listed(text.trim_start_matches('/').to_owned())
    }

    pub(crate) async fn put(&self, path: &ObjectPath, bytes: Bytes) -> Result<()> {
        self.put_tagged(path, bytes).await.map(drop)
    }

    /// Writes an object and returns its entity tag.
    pub(crate) async fn put_tagged(&self, path: &ObjectPath, bytes: Bytes) -> Result<String> {
        let put = self.client.put(&self.key(path), PutPayload::from_bytes(bytes)).await;
        let put = put.map_err(|e| StoreError::remote("write", path.as_str(), e))?;
        put.e_tag.ok_or_else(|| StoreError::Corrupt {
            what: path.to_string(),
            detail: "the server gave no ETag for it".into(),
        })
    }

    pub(crate) async fn put_if_absent(&self, path: &ObjectPath, bytes: Bytes) -> Result<Put> {
        match self.put_conditionally(path, bytes.clone(), PutMode::Create).await {
            Ok(_) => Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                // A retry after a lost answer meets our own object: that is a creation.
                Ok(match self.find_bytes(path).await? {
                    Some(current) if current == bytes => Put::Created,
                    _ => Put::Exists,
                })
            }
            Err(error) => Err(StoreError::remote("write", path.as_str(), error)),
        }
    }

    pub(crate) async fn replace(&self, path: &ObjectPath, version: Version, bytes: Bytes) -> Result<bool> {
        let Version::Tag(tag) = version else { return Ok(false) };
        Ok(self.replace_tagged(path, Some(tag), bytes).await?.is_some())
    }

    /// Writes an object if it is still at `tag` (`None`: if it is absent); returns its new tag, or `None` when
    /// somebody else was there first.
    pub(crate) async fn replace_tagged(
        &self,
        path: &ObjectPath,
        tag: Option<UpdateVersion>,
        bytes: Bytes,
    ) -> Result<Option<UpdateVersion>> {
        let mode = tag.map_or(PutMode::Create, PutMode::Update);
        match self.put_conditionally(path, bytes.clone(), mode).await {
            Ok(put) => Ok(Some(put.into())),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotFound { .. },
            ) => match self.get(path).await {
                // A retry after a lost answer meets our own object.
                Ok((current, Version::Tag(tag))) if current == bytes => Ok(Some(tag)),
                Ok(_) | Err(StoreError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            Err(error) => Err(StoreError::remote("replace", path.as_str(), error)),
        }
    }

    async fn put_conditionally(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        mode: PutMode,
    ) -> object_store::Result<object_store::PutResult> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.client.put_opts(&self.key(path), PutPayload::from_bytes(bytes), options).await
    }

    pub(crate) async fn get(&self, path: &ObjectPath) -> Result<(Bytes, Version)> {
        let failed = |e| StoreError::remote("read", path.as_str(), e);
        let result = self.client.get(&self.key(path)).await.map_err(failed)?;
        if result.meta.size > MAX_SMALL_OBJECT {
            let detail = format!("it has {} bytes, more than any manifest", result.meta.size);
            return Err(StoreError::Corrupt { what: path.to_string(), detail });
        }
        let version = UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
        Ok((result.bytes().await.map_err(failed)?, Version::Tag(version)))
    }

    async fn find_bytes(&self, path: &ObjectPath) -> Result<Option<Bytes>> {
        match self.get(path).await {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn stat(&self, path: &ObjectPath) -> Result<ObjectInfo> {
        let meta = self.client.head(&self.key(path)).await;
        meta.map(|meta| self.info(&meta)).map_err(|e| StoreError::remote("examine", path.as_str(), e))
    }

    pub(crate) async fn read(&self, path: &ObjectPath, range: Range<u64>) -> Result<ByteStream> {
        let what = path.to_string();
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let result = self.client.get_opts(&self.key(path), options).await;
        let result = result.map_err(|e| StoreError::remote("read", &what, e))?;
        if result.range != range {
            let (start, end, size) = (range.start, range.end, result.meta.size);
            return Err(StoreError::BadRange { what, start, end, size });
        }
        Ok(result.into_stream().map_err(move |e| StoreError::remote("read", &what, e)).boxed())
    }

    pub(crate) async fn put_file(&self, path: &ObjectPath, from: &Path) -> Result<u64> {
        let failed = |e| StoreError::io("read", from.display().to_string(), e);
        let mut file = tokio::fs::File::open(from).await.map_err(failed)?;
        let size = file.metadata().await.map_err(failed)?.len();
        if size <= COPY_PART {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).await.map_err(failed)?;
            self.put(path, bytes.into()).await?;
            return Ok(size);
        }
        let part = super::super::staging::parts::PartPlan::for_size(Some(size)).part_size().max(COPY_PART);
        let upload = self.create_multipart(path).await?;
        let parts = async {
            let mut tags = Vec::new();
            let mut left = size;
            while left > 0 {
                let mut bytes = vec![0; usize::try_from(left.min(part)).unwrap_or(usize::MAX)];
                file.read_exact(&mut bytes).await.map_err(failed)?;
                left -= bytes.len() as u64;
                tags.push(self.put_part(path, &upload, tags.len(), bytes.into()).await?);
            }
            self.complete_multipart(path, &upload, tags).await
        };
        match parts.await {
            Ok(()) => Ok(size),
            Err(error) => {
                self.abort_multipart(path, &upload).await;
                Err(error)
            }
        }
    }

    pub(crate) fn list(&self, folder: &str) -> BoxStream<'static, Result<ObjectInfo>> {
        let (this, what) = (self.clone(), folder.to_owned());
        let folder = self.key(&ObjectPath::listed(what.clone()));
        self.client
            .list(Some(&folder))
            .map(move |meta| meta.map(|m| this.info(&m)).map_err(|e| StoreError::remote("list", &what, e)))
            .boxed()
    }

    pub(crate) async fn delete(&self, path: &ObjectPath) -> Result<()> {
        match self.client.delete(&self.key(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::remote("delete", path.as_str(), error)),
        }
    }

    pub(crate) async fn delete_folder(&self, folder: &ObjectPath) -> Result<()> {
        self.list(folder.as_str())
            .try_for_each_concurrent(DELETE_CONCURRENCY, |object| async move { self.delete(&object.path).await })
            .await
    }

    pub(crate) async fn create_multipart(&self, path: &ObjectPath) -> Result<MultipartId> {
        let created = self.client.create_multipart(&self.key(path)).await;
        created.map_err(|e| StoreError::remote("begin the upload of", path.as_str(), e))
    }

    /// Uploads part number `index` (from 0) and returns its tag.
    pub(crate) async fn put_part(
        &self,
        path: &ObjectPath,
        id: &MultipartId,
        index: usize,
        bytes: Bytes,
    ) -> Result<PartId> {
        let put = self.client.put_part(&self.key(path), id, index, PutPayload::from_bytes(bytes)).await;
        put.map_err(|e| StoreError::remote("upload a part of", path.as_str(), e))
    }

    pub(crate) async fn complete_multipart(
        &self,
        path: &ObjectPath,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<()> {
        let done = self.client.complete_multipart(&self.key(path), id, parts).await;
        done.map(drop).map_err(|e| StoreError::remote("complete the upload of", path.as_str(), e))
    }

    /// Gives up an upload; what this cannot reach now, the sweep finds later.
    pub(crate) async fn abort_multipart(&self, path: &ObjectPath, id: &MultipartId) {
        if let Err(error) = self.client.abort_multipart(&self.key(path), id).await {
            tracing::warn!(object = %path, %error, "left an unfinished upload for the sweep");
        }
    }

    fn info(&self, meta: &object_store::ObjectMeta) -> ObjectInfo {
        ObjectInfo { path: self.path(&meta.location), size: meta.size, modified: meta.last_modified.into() }
    }
}
