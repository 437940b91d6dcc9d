//! Clean-up of what crashes leave behind: files without a name, blobs without a manifest, trees of lost attempts,
//! staging areas and workspaces nobody touched for long, unfinished uploads, deletions that stopped halfway.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::{Duration, SystemTime},
};

use futures::TryStreamExt;
use videocloud_protocol::ids::{ContentId, RenditionKey};

use crate::{
    Store,
    contents::{MAX_TOMBSTONE, content_of},
    error::{Result, StoreError},
    layout::{BLOBS, CONTENTS, ObjectPath, RUNS, STAGING, TREES},
    objects::{ObjectInfo, Objects, fs::TMP},
};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that never got their name (file system).
    pub temporary: u64,
    /// Blobs without a manifest, and deletions brought to their end.
    pub contents: u64,
    /// Attempts at a rendition that were not published.
    pub attempts: u64,
    /// Staging areas.
    pub staging: u64,
    /// Run workspaces.
    pub runs: u64,
    /// Unfinished multipart uploads (S3).
    pub uploads: u64,
}

/// A group of objects that lives and dies together.
struct Group {
    newest: SystemTime,
}

impl Store {
    /// Removes orphans whose newest byte is older than `older_than`, which must be longer than any step of a worker
    /// goes without writing: a day is a good value, an hour the least. Contents and renditions are never touched.
    ///
    /// # Errors
    /// The first [`StoreError`] met; what was removed until then stays removed, and a later sweep does the rest.
    pub async fn sweep_orphans(&self, older_than: Duration) -> Result<Swept> {
        let before = SystemTime::now().checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Swept {
            temporary: self.sweep_temporary(before).await?,
            contents: self.sweep_contents(before).await?,
            attempts: self.sweep_attempts(before).await?,
            staging: self.sweep_groups(STAGING, before).await?,
            runs: self.sweep_groups(RUNS, before).await?,
            uploads: self.sweep_uploads(before).await?,
        })
    }

    async fn sweep_temporary(&self, before: SystemTime) -> Result<u64> {
        let Objects::Fs(_) = self.objects() else { return Ok(0) };
        let old: Vec<ObjectInfo> = self.old_objects(TMP, before).await?;
        for object in &old {
            self.objects().delete(&object.path).await?;
        }
        Ok(old.len() as u64)
    }

    async fn sweep_contents(&self, before: SystemTime) -> Result<u64> {
        let mut swept = 0;
        for blob in self.old_objects(BLOBS, before).await? {
            let Some(id) = blob_of(blob.path.as_str()) else { continue };
            swept += u64::from(self.delete_uncommitted(&id).await?);
        }
        for object in self.old_objects(CONTENTS, before).await? {
            if let Some(id) = content_of(object.path.as_str()).filter(|_| object.size < MAX_TOMBSTONE) {
                swept += u64::from(self.sweep_tombstone(&id).await?);
            }
        }
        Ok(swept)
    }

    async fn sweep_attempts(&self, before: SystemTime) -> Result<u64> {
        let mut swept = 0;
        let mut published: HashMap<RenditionKey, Option<String>> = HashMap::new();
        for (folder, _) in self.old_groups(TREES, 2, before).await? {
            let mut segments = folder.as_str().split('/').skip(1);
            let (Some(key), Some(attempt)) = (segments.next().and_then(|key| key.parse().ok()), segments.next()) else {
                continue;
            };
            let published = match published.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(match self.rendition(&key).await {
                    Ok(manifest) => Some(manifest.attempt),
                    Err(StoreError::NotFound { .. }) => None,
                    Err(error) => return Err(error),
                }),
            };
            if published.as_deref() != Some(attempt) {
                self.objects().delete_folder(&folder).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    async fn sweep_groups(&self, folder: &str, before: SystemTime) -> Result<u64> {
        let old = self.old_groups(folder, 1, before).await?;
        for (group, _) in &old {
            self.objects().delete_folder(group).await?;
        }
        Ok(old.len() as u64)
    }

    async fn sweep_uploads(&self, before: SystemTime) -> Result<u64> {
        let Objects::S3(s3) = self.objects() else { return Ok(0) };
        let mut swept = 0;
        for folder in [BLOBS, TREES, RUNS] {
            let prefix = s3.key(&ObjectPath::listed(folder.to_owned()));
            loop {
                let page = s3.requests.unfinished_uploads(&prefix).await?;
                let old: Vec<_> = page.into_iter().filter(|upload| upload.begun < before).collect();
                for upload in &old {
                    s3.abort_multipart(&s3.path(&upload.key), &upload.id).await;
                    swept += 1;
                }
                if old.len() < 1000 {
                    break;
                }
            }
        }
        Ok(swept)
    }

    async fn old_objects(&self, folder: &str, before: SystemTime) -> Result<Vec<ObjectInfo>> {
        self.objects()
            .list(folder)
            .try_filter(|object| std::future::ready(object.modified < before))
            .try_collect()
            .await
    }

    /// The folders `depth` levels below `folder` in which nothing is younger than `before`.
    async fn old_groups(&self, folder: &str, depth: usize, before: SystemTime) -> Result<Vec<(ObjectPath, Group)>> {
        let mut groups: HashMap<String, Group> = HashMap::new();
        let mut objects = self.objects().list(folder);
        while let Some(object) = objects.try_next().await? {
            let path = object.path.as_str();
            let end = path.match_indices('/').nth(depth).map(|(at, _)| at);
            let Some(end) = end else { continue };
            let group = groups.entry(path[..end].to_owned()).or_insert(Group { newest: object.modified });
            group.newest = group.newest.max(object.modified);
        }
        let old = groups.into_iter().filter(|(_, group)| group.newest < before);
        Ok(old.map(|(path, group)| (ObjectPath::listed(path), group)).collect())
    }
}

fn blob_of(path: &str) -> Option<ContentId> {
    path.strip_prefix(BLOBS)?.rsplit('/').next()?.parse().ok()
}
