//! The torrent of a content, beside its manifest: made once, when the content is published or when it is first asked for, because its
//! piece hashes cost a reading of the whole. It can be made again at any time, so it counts for nothing else and may be missing.

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use videocloud_protocol::ids::ContentId;

use crate::{
    Staging, Store,
    contents::content_of,
    error::Result,
    layout::{self, CONTENTS},
};

impl Store {
    /// The torrent file of a content, as it was put; `None` when there is none.
    ///
    /// # Errors
    /// [`crate::StoreError`].
    pub async fn torrent(&self, id: &ContentId) -> Result<Option<Bytes>> {
        Ok(self.objects().find(&layout::torrent(id)).await?.map(|(bytes, _)| bytes))
    }

    /// Keeps the torrent file of a content.
    ///
    /// # Errors
    /// [`crate::StoreError`].
    pub async fn put_torrent(&self, id: &ContentId, torrent: Bytes) -> Result<()> {
        self.objects().put(&layout::torrent(id), torrent).await
    }

    /// Ids of every content that exists or was deleted lately, without reading a manifest.
    pub fn list_ids(&self) -> BoxStream<'static, Result<ContentId>> {
        let ids = self.objects().list(CONTENTS).filter_map(|object| async move {
            match object {
                Ok(object) => content_of(object.path.as_str()).map(Ok),
                Err(error) => Some(Err(error)),
            }
        });
        ids.boxed()
    }
}

impl Staging {
    /// Keeps the torrent file of the content that is about to be published.
    ///
    /// # Errors
    /// [`crate::StoreError`].
    pub async fn put_torrent(&self, id: &ContentId, torrent: Bytes) -> Result<()> {
        self.store().put_torrent(id, torrent).await
    }
}
