//! Staging for object storage: a local scratch file, and an object of its own for each finished part.
//!
//! Parts are objects rather than parts of one open multipart upload for two reasons: the name of the blob is the hash of
//! its last byte, too, so it is not known when the upload would have to begin; and parts of an open upload cannot be
//! read, so a process that resumes on another node could not hash them. Publishing opens the multipart upload of the blob,
//! lets the server copy the stored parts into it, sends the others from the scratch file, and completes it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::{UpdateVersion, multipart::PartId};
use videocloud_protocol::{content::ContentManifest, ids::ClaimKey};

use super::{
    After, Checkpoint, Shown,
    file::Refusal,
    parts::{PartPlan, RangeSet},
    scratch::LocalArea,
    state::{Header, StoredPart, decode, encode},
};
use crate::{
    Durability, Store,
    error::{Result, StoreError},
    layout::{self, ObjectPath},
    objects::{Version, s3::S3Objects},
};

/// Parts sent at the same time; each is held in memory while it is sent.
const SEND_CONCURRENCY: usize = 4;
/// Parts the server copies at the same time.
const COPY_CONCURRENCY: usize = 8;

/// A staging area in a bucket, with its scratch folder.
#[derive(Debug)]
pub(super) struct S3Staging {
    objects: S3Objects,
    folder: ObjectPath,
    area: LocalArea,
    progress: Mutex<Progress>,
    /// The version of the stored checkpoint; whoever holds the lock is the one who writes it.
    version: tokio::sync::Mutex<Stored>,
    /// One task at a time brings a stored part back to the scratch file.
    fetching: tokio::sync::Mutex<()>,
    pub(super) found: Option<Checkpoint>,
}

/// What is where.
#[derive(Debug)]
struct Progress {
    size: Option<u64>,
    plan: PartPlan,
    /// Bytes in the scratch file.
    written: RangeSet,
    stored: BTreeMap<u64, StoredPart>,
    /// Counts writes per part, to notice one that ran into the sending of its part.
    writes: BTreeMap<u64, u64>,
    /// Part objects that the next checkpoint no longer needs.
    garbage: Vec<String>,
}

/// The checkpoint as last stored.
#[derive(Debug, Default)]
struct Stored {
    version: Option<UpdateVersion>,
    state: Bytes,
    shown: Option<Shown>,
}

impl S3Staging {
    pub(super) async fn open(store: &Store, objects: S3Objects, claim: &ClaimKey) -> Result<Self> {
        let folder = layout::staging(claim);
        let scratch = store.scratch().join(format!("staging-{claim}"));
        let (area, local) = LocalArea::open(scratch, folder.to_string(), Durability::PowerLoss).await?;
        let remote = match objects.get(&folder.join(&name("checkpoint")?)).await {
            Ok((bytes, Version::Tag(version))) => Some((bytes, version)),
            Ok(_) | Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some((bytes, version)) = remote else {
            area.blocking("empty", |data| data.clear()).await?;
            let progress = Mutex::new(Progress::new(None));
            let (version, fetching) = Default::default();
            return Ok(Self { objects, folder, area, progress, version, fetching, found: None });
        };
        let (mut header, state) = decode(area.what(), &bytes)?;
        if local.as_ref() != Some(&bytes) {
            // Not from this node, or older than what another one stored since: only the stored parts count.
            area.blocking("empty", |data| data.clear()).await?;
            header.written = RangeSet::default();
        }
        if let Some((key, upload)) = &header.upload {
            objects.abort_multipart(&ObjectPath::listed(key.clone()), upload).await;
        }
        let plan = header.plan.unwrap_or_else(|| PartPlan::for_size(header.size));
        let stored_ranges = header.parts.iter().map(|(&part, stored)| {
            let start = part * plan.part_size();
            start..start + stored.size
        });
        let kept = header.written.iter().chain(stored_ranges).collect::<RangeSet>().iter().collect();
        let found = Some(Checkpoint { state: state.clone(), size: header.size, kept, shown: header.shown.is_some() });
        let progress = Progress { plan, written: header.written, stored: header.parts, ..Progress::new(header.size) };
        let version = tokio::sync::Mutex::new(Stored { version: Some(version), state, shown: None });
        let (progress, fetching) = (Mutex::new(progress), tokio::sync::Mutex::default());
        Ok(Self { objects, folder, area, progress, version, fetching, found })
    }

    pub(super) async fn reserve(&self, size: u64) -> Result<()> {
        let what = self.area.what().to_owned();
        match self.area.blocking("reserve room for", move |data| Ok(data.reserve(size))).await? {
            Ok(()) => {}
            Err(Refusal::Full { free }) => return Err(StoreError::ScratchFull { what, needed: size, free }),
            Err(Refusal::Io(e)) => return Err(scratch_error(StoreError::io("reserve room for", what, e))),
        }
        let mut progress = self.progress();
        progress.size = Some(size);
        if progress.stored.is_empty() {
            progress.plan = PartPlan::for_size(Some(size));
        }
        Ok(())
    }

    pub(super) async fn write(&self, offset: u64, pieces: Vec<Bytes>) -> Result<()> {
        let range = offset..offset + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let touched = self.progress().plan.touched(&range);
        for part in touched.clone() {
            self.fetch_if_only_stored(part).await?;
        }
        self.area
            .blocking("write", move |data| data.write_at(offset, &pieces, After::Read))
            .await
            .map_err(scratch_error)?;
        let mut progress = self.progress();
        progress.written.insert(range);
        for part in touched {
            *progress.writes.entry(part).or_default() += 1;
            if let Some(stale) = progress.stored.remove(&part) {
                progress.garbage.push(stale.name);
            }
        }
        Ok(())
    }

    pub(super) async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let range = offset..offset + length as u64;
        let (plan, local) = {
            let progress = self.progress();
            (progress.plan, progress.written.contains(&range))
        };
        if local {
            return self.area.blocking("read", move |data| data.read_at(offset, length)).await;
        }
        let mut bytes = BytesMut::with_capacity(length);
        for part in plan.touched(&range) {
            let start = part * plan.part_size();
            let wanted = range.start.max(start)..range.end.min(start + plan.part_size());
            let stored = {
                let progress = self.progress();
                if progress.written.contains(&wanted) { None } else { progress.stored.get(&part).cloned() }
            };
            match stored {
                Some(stored) => {
                    let object = self.part_object(&stored.name)?;
                    let stream = self.objects.read(&object, wanted.start - start..wanted.end - start).await?;
                    bytes.extend(stream.try_collect::<Vec<Bytes>>().await?.iter().flatten());
                }
                None => {
                    let length = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
                    let read = self.area.blocking("read", move |data| data.read_at(wanted.start, length));
                    bytes.extend_from_slice(&read.await?);
                }
            }
        }
        Ok(bytes.freeze())
    }

    pub(super) async fn checkpoint(&self, state: &[u8], shown: Option<Shown>) -> Result<()> {
        let mut stored = self.version.lock().await;
        self.send_finished_parts().await?;
        stored.shown = shown;
        self.save(&mut stored, Bytes::copy_from_slice(state), None).await
    }

    /// Puts the blob together, unless it is there.
    pub(super) async fn place(&self, manifest: &ContentManifest) -> Result<()> {
        let blob = layout::blob(&manifest.id);
        self.check_complete(&blob, manifest.size)?;
        // A blob of that name and size was left by a crash before its manifest. It got its name whole.
        let left = self.objects.stat(&blob).await.is_ok_and(|object| object.size == manifest.size);
        if left { Ok(()) } else { self.assemble(&blob, manifest.size).await }
    }

    pub(super) async fn discard(&self) -> Result<()> {
        // The checkpoint goes first, so that no crash leaves one without its parts.
        self.objects.delete(&self.folder.join(&name("checkpoint")?)).await?;
        self.objects.delete_folder(&self.folder).await?;
        self.area.remove().await
    }

    /// Refuses a publication when bytes are missing or left over.
    fn check_complete(&self, blob: &ObjectPath, size: u64) -> Result<()> {
        let mut progress = self.progress();
        let plan = progress.plan;
        let stored = progress.stored.iter().map(|(&part, stored)| {
            let start = part * plan.part_size();
            start..start + stored.size
        });
        let there: RangeSet = progress.written.iter().chain(stored).collect();
        if !there.contains(&(0..size)) || there.end() > size {
            let actual = there.iter().map(|range| range.end - range.start).sum();
            return Err(StoreError::SizeMismatch { what: blob.to_string(), expected: size, actual });
        }
        progress.size = Some(size);
        Ok(())
    }

    /// Puts the blob together; it becomes visible (not yet committed) as a whole at the end.
    async fn assemble(&self, blob: &ObjectPath, size: u64) -> Result<()> {
        let mut checkpoint = self.version.lock().await;
        let (plan, parts) = {
            let progress = self.progress();
            (progress.plan, progress.stored.clone())
        };
        if plan.count(size) <= 1 {
            let length = usize::try_from(size).unwrap_or(usize::MAX);
            let bytes = self.read(0, length).await?;
            return self.objects.put(blob, bytes).await;
        }
        let upload = self.objects.create_multipart(blob).await?;
        let state = checkpoint.state.clone();
        let assembled = async {
            self.save(&mut checkpoint, state, Some((blob.to_string(), upload.clone()))).await?;
            let tags: Vec<PartId> = futures::stream::iter(0..plan.count(size))
                .map(|part| self.give_part(blob, &upload, part, parts.get(&part), plan, size))
                .buffered(COPY_CONCURRENCY)
                .try_collect()
                .await?;
            self.objects.complete_multipart(blob, &upload, tags).await
        };
        let result = assembled.await;
        if result.is_err() {
            self.objects.abort_multipart(blob, &upload).await;
        }
        result
    }

    async fn give_part(
        &self,
        blob: &ObjectPath,
        upload: &String,
        part: u64,
        stored: Option<&StoredPart>,
        plan: PartPlan,
        size: u64,
    ) -> Result<PartId> {
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        if let Some(stored) = stored {
            let from = self.objects.key(&self.part_object(&stored.name)?);
            let to = self.objects.key(blob);
            return self.objects.requests.copy_part(&to, upload, index, &from, &stored.tag).await;
        }
        let bytes = self.read_local(plan.bytes(part, size)).await?;
        self.objects.put_part(blob, upload, index, bytes).await
    }

    /// Stores each part whose bytes are all there and that is not stored yet.
    async fn send_finished_parts(&self) -> Result<()> {
        let finished: Vec<(u64, std::ops::Range<u64>, u64)> = {
            let progress = self.progress();
            let size = progress.size.unwrap_or(progress.written.end());
            (0..progress.plan.count(size))
                .filter(|part| !progress.stored.contains_key(part))
                .map(|part| (part, progress.plan.bytes(part, size)))
                .filter(|(_, bytes)| {
                    // Without a known size the last part may still grow.
                    progress.size.is_some() || bytes.end - bytes.start == progress.plan.part_size()
                })
                .filter(|(_, bytes)| progress.written.contains(bytes))
                .map(|(part, bytes)| (part, bytes, progress.writes.get(&part).copied().unwrap_or_default()))
                .collect()
        };
        futures::stream::iter(finished)
            .map(Ok)
            .try_for_each_concurrent(SEND_CONCURRENCY, |(part, bytes, writes)| async move {
                let part_name = format!("{part:05}-{:016x}", rand::random::<u64>());
                let size = bytes.end - bytes.start;
                let data = self.read_local(bytes).await?;
                let tag = self.objects.put_tagged(&self.part_object(&part_name)?, data).await?;
                let mut progress = self.progress();
                if progress.writes.get(&part).copied().unwrap_or_default() == writes {
                    progress.stored.insert(part, StoredPart { name: part_name, tag, size });
                } else {
                    progress.garbage.push(part_name);
                }
                Ok(())
            })
            .await
    }

    /// Stores the checkpoint, here and there, then drops part objects that only the older one needed.
    async fn save(&self, stored: &mut Stored, state: Bytes, upload: Option<(String, String)>) -> Result<()> {
        let (header, garbage) = {
            let mut progress = self.progress();
            let header = Header {
                size: progress.size,
                plan: Some(progress.plan),
                parts: progress.stored.clone(),
                written: progress.written.clone(),
                upload,
                shown: stored.shown.clone(),
            };
            (header, std::mem::take(&mut progress.garbage))
        };
        self.area.blocking("sync", |data| data.sync()).await?;
        let bytes = encode(self.area.what(), &header, &state)?;
        let path = self.folder.join(&name("checkpoint")?);
        match self.objects.replace_tagged(&path, stored.version.clone(), bytes.clone()).await? {
            Some(version) => (stored.version, stored.state) = (Some(version), state),
            None => return Err(StoreError::TakenOver { what: self.area.what().to_owned() }),
        }
        self.area.save(bytes).await.map_err(scratch_error)?;
        for stale in garbage {
            self.objects.delete(&self.part_object(&stale)?).await?;
        }
        Ok(())
    }

    /// Brings a part that is stored, but not in the scratch file, back there, before some of it is overwritten.
    async fn fetch_if_only_stored(&self, part: u64) -> Result<()> {
        let _one_at_a_time = self.fetching.lock().await;
        let (start, stored) = {
            let progress = self.progress();
            let start = part * progress.plan.part_size();
            let Some(stored) = progress.stored.get(&part) else { return Ok(()) };
            if progress.written.contains(&(start..start + stored.size)) {
                return Ok(());
            }
            (start, stored.clone())
        };
        let mut stream = self.objects.read(&self.part_object(&stored.name)?, 0..stored.size).await?;
        let mut at = start;
        while let Some(bytes) = stream.try_next().await? {
            let (offset, length) = (at, bytes.len() as u64);
            self.area
                .blocking("write", move |data| data.write_at(offset, &[bytes], After::Read))
                .await
                .map_err(scratch_error)?;
            at += length;
        }
        self.progress().written.insert(start..start + stored.size);
        Ok(())
    }

    async fn read_local(&self, range: std::ops::Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        self.area.blocking("read", move |data| data.read_at(range.start, length)).await
    }

    fn part_object(&self, part: &str) -> Result<ObjectPath> {
        Ok(self.folder.join(&name(&format!("parts/{part}"))?))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn new(size: Option<u64>) -> Self {
        Self {
            size,
            plan: PartPlan::for_size(size),
            written: RangeSet::default(),
            stored: BTreeMap::new(),
            writes: BTreeMap::new(),
            garbage: Vec::new(),
        }
    }
}

/// A name below the staging folder, which is ours and plain.
fn name(text: &str) -> Result<videocloud_protocol::rendition::TreePath> {
    text.parse().map_err(|_| StoreError::BadPath { path: text.to_owned(), detail: "it is no plain relative path" })
}

/// "No space" while writing locally is about the scratch folder, not the store.
fn scratch_error(error: StoreError) -> StoreError {
    match error {
        StoreError::Full { what, needed, free } => StoreError::ScratchFull { what, needed, free },
        other => other,
    }
}
