//! How much room the store has and how much its contents take.

use futures::TryStreamExt;
use nix::sys::statvfs::statvfs;

use crate::{
    Store,
    error::{Result, StoreError},
    layout::{BLOBS, RUNS, STAGING, TREES},
    objects::Objects,
};

/// Room on the volume of a store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the whole volume.
    pub capacity: u64,
    /// Bytes an unprivileged process can still write.
    pub free: u64,
}

/// What the parts of a store take, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Original files.
    pub contents: u64,
    /// Files of renditions.
    pub renditions: u64,
    /// Downloads in progress.
    pub staging: u64,
    /// Workspaces of rendition sets.
    pub runs: u64,
}

impl Store {
    /// Room on the volume; `None` on object storage, which does not say.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the volume cannot be asked.
    pub async fn space(&self) -> Result<Option<Space>> {
        let Objects::Fs(fs) = self.objects() else { return Ok(None) };
        let root = fs.root().to_owned();
        let what = root.display().to_string();
        match tokio::task::spawn_blocking(move || statvfs(&root)).await {
            Ok(Ok(volume)) => Ok(Some(Space {
                capacity: volume.blocks().saturating_mul(volume.fragment_size()),
                free: volume.blocks_available().saturating_mul(volume.fragment_size()),
            })),
            Ok(Err(errno)) => Err(StoreError::io("ask for the free space of", what, errno.into())),
            Err(_) => Err(StoreError::interrupted("ask for the free space of", what)),
        }
    }

    /// What is stored, by listing everything: for metrics every few minutes, not for decisions on a hot path.
    ///
    /// # Errors
    /// [`StoreError`] of the listing.
    pub async fn usage(&self) -> Result<Usage> {
        let sum = |folder: &str| {
            self.objects().list(folder).try_fold(0_u64, |sum, object| std::future::ready(Ok(sum + object.size)))
        };
        Ok(Usage {
            contents: sum(BLOBS).await?,
            renditions: sum(TREES).await?,
            staging: sum(STAGING).await?,
            runs: sum(RUNS).await?,
        })
    }
}
