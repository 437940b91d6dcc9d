//! Downloads in progress: a staging area per claim, written at many offsets at once, resumed after any crash, and
//! published as a whole or not at all.
//!
//! [`fs`] keeps it in the store's own volume; [`s3`] in a scratch file plus one object per finished part.

mod arriving;
mod direct;
mod file;
mod fs;
pub(crate) mod parts;
mod s3;
mod scratch;
mod state;

use std::ops::Range;

pub use arriving::Arriving;
use bytes::Bytes;
pub use direct::After;
pub use state::Shown;
use videocloud_protocol::{content::ContentManifest, ids::ClaimKey};

use crate::{
    Store,
    contents::{Slot, being_deleted},
    error::Result,
    objects::Objects,
};

/// How often a publication begins again because the content was published or deleted under its hands.
const PUBLISH_ATTEMPTS: usize = 8;

/// What an earlier process left in a staging area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The bytes given to the last [`Staging::checkpoint`].
    pub state: Bytes,
    /// The size given to [`Staging::reserve`], if it was.
    pub size: Option<u64>,
    /// The bytes of the content that are still there, as disjoint ranges in order. Whatever the state says of bytes
    /// outside of them is void. On a file system that is everything; on S3 after a change of node, the finished parts.
    pub kept: Vec<Range<u64>>,
    /// Whether others may read some of it ([`Staging::checkpoint_shown`]).
    pub shown: bool,
}

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published<M> {
    /// The object is new.
    New,
    /// It was there already, with this manifest; the staged bytes were dropped.
    AlreadyThere(M),
}

/// A download in progress. Writes and reads may run side by side from many tasks; share it in an `Arc`.
///
/// Only one process holds a staging area: on a file system by a lock that ends with the process, on S3 by conditional
/// writes of the checkpoint, so that the older holder fails with [`crate::StoreError::TakenOver`] at its next one.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Fs(fs::FsStaging),
    S3(Box<s3::S3Staging>),
}

impl Store {
    /// Opens the staging area of a claim, with whatever an earlier process left there.
    ///
    /// # Errors
    /// [`crate::StoreError::Busy`] while another process of this host (or of this shared volume) holds it.
    pub async fn stage(&self, claim: &ClaimKey) -> Result<Staging> {
        let backend = match self.objects() {
            Objects::Fs(objects) => Backend::Fs(fs::FsStaging::open(objects.clone(), claim).await?),
            Objects::S3(objects) => Backend::S3(Box::new(s3::S3Staging::open(self, objects.clone(), claim).await?)),
        };
        Ok(Staging { store: self.clone(), backend })
    }
}

impl Staging {
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// What an earlier process left, as found when the area was opened.
    #[must_use]
    pub fn load_checkpoint(&self) -> Option<Checkpoint> {
        match &self.backend {
            Backend::Fs(fs) => fs.found.clone(),
            Backend::S3(s3) => s3.found.clone(),
        }
    }

    /// Declares the total size in bytes and makes sure that there is room for it before a byte is fetched.
    ///
    /// Without it the area grows as it is written, and running out of room is found late.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when the store has no room, [`crate::StoreError::ScratchFull`] when (on S3) the
    /// scratch folder has none; nothing is allocated then.
    pub async fn reserve(&self, size: u64) -> Result<()> {
        match &self.backend {
            Backend::Fs(fs) => fs.reserve(size).await,
            Backend::S3(s3) => s3.reserve(size).await,
        }
    }

    /// Writes bytes at an offset. They are durable after the next [`Staging::checkpoint`], not before.
    ///
    /// A call costs one hop to a blocking thread, so hand over 256 KiB or more at once where the rate matters, in as many
    /// pieces as they came ([`Staging::write_pieces_at`]); nothing is copied on the way to the kernel.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] or [`crate::StoreError::ScratchFull`] when nothing was reserved and room ran out.
    pub async fn write_at(&self, offset: u64, bytes: Bytes) -> Result<()> {
        self.write_pieces_at(offset, vec![bytes], After::Read).await
    }

    /// Writes pieces one after the other from an offset on, as [`Staging::write_at`] does for one.
    ///
    /// Whole pages of those that [`After::Rest`] go past the page cache where they lie in memory as in the file (at a multiple of
    /// 4 KiB both), are at least 256 KiB in a piece, and the disk takes them fast enough. On S3 all are read again.
    ///
    /// # Errors
    /// As [`Staging::write_at`].
    pub async fn write_pieces_at(&self, offset: u64, pieces: Vec<Bytes>, after: After) -> Result<()> {
        match &self.backend {
            Backend::Fs(fs) => fs.write(offset, pieces, after).await,
            Backend::S3(s3) => s3.write(offset, pieces).await,
        }
    }

    /// Reads exactly `length` bytes that were written (in this or an earlier process).
    ///
    /// # Errors
    /// [`crate::StoreError::Io`] past the end of what was written.
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        match &self.backend {
            Backend::Fs(fs) => fs.read(offset, length).await,
            Backend::S3(s3) => s3.read(offset, length).await,
        }
    }

    /// Fills `buffer` on this thread, which may block; false where not all bytes may be on this node, so that only
    /// [`Staging::read_at`] gives them.
    ///
    /// # Errors
    /// As [`Staging::read_at`].
    pub fn read_here(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        match &self.backend {
            Backend::Fs(fs) => fs.read_here(offset, buffer).map(|()| true),
            Backend::S3(_) => Ok(false),
        }
    }

    /// Makes everything written before this call durable, then `state`, which [`Staging::load_checkpoint`] of a later
    /// process returns. A crash in between leaves the older state with the older and newer data.
    ///
    /// On S3 it uploads the parts that are complete; bytes of incomplete parts survive on this node only.
    ///
    /// # Errors
    /// [`crate::StoreError::TakenOver`] when another process has opened the area since: stop then.
    pub async fn checkpoint(&self, state: &[u8]) -> Result<()> {
        self.checkpoint_shown(state, None).await
    }

    /// As [`Staging::checkpoint`], and from now on others may read what is `shown` ([`Store::arriving`]); on S3 as far as it is in
    /// parts that are complete. What was shown before and is not now must not be read any more.
    ///
    /// # Errors
    /// As [`Staging::checkpoint`].
    pub async fn checkpoint_shown(&self, state: &[u8], shown: Option<Shown>) -> Result<()> {
        match &self.backend {
            Backend::Fs(fs) => fs.checkpoint(state, shown).await,
            Backend::S3(s3) => s3.checkpoint(state, shown).await,
        }
    }

    /// Publishes the staged bytes as the content of `manifest`: first the blob, then the manifest, put only if nobody
    /// published or deleted the content since before the blob was placed.
    /// Every write must have returned before. Verifying that the bytes have that SHA-256 is the caller's part.
    ///
    /// On success the area is gone. After a failure it is intact and publishing can be tried again.
    ///
    /// # Errors
    /// [`crate::StoreError::SizeMismatch`] when bytes are missing or left over, [`crate::StoreError::Busy`] while the
    /// same content is being deleted, [`crate::StoreError::Full`].
    pub async fn publish(&self, manifest: &ContentManifest) -> Result<Published<ContentManifest>> {
        for _ in 0..PUBLISH_ATTEMPTS {
            let free = match self.store.slot(&manifest.id).await? {
                Slot::Taken(existing) => {
                    self.discard().await?;
                    return Ok(Published::AlreadyThere(existing));
                }
                Slot::Free(free) => free,
            };
            match &self.backend {
                Backend::Fs(fs) => fs.place(manifest).await?,
                Backend::S3(s3) => s3.place(manifest).await?,
            }
            if self.store.commit(manifest, free).await? {
                self.discard().await?;
                return Ok(Published::New);
            }
        }
        Err(being_deleted(&manifest.id))
    }

    /// Drops the area and everything in it.
    ///
    /// # Errors
    /// [`crate::StoreError`] of the deletion; what is left is swept later.
    pub async fn discard(&self) -> Result<()> {
        match &self.backend {
            Backend::Fs(fs) => fs.discard().await,
            Backend::S3(s3) => s3.discard().await,
        }
    }
}
