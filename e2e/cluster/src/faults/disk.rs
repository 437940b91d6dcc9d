//! Disks that are small and can be filled: volumes in memory, with a storage class of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statfs::statfs;

use crate::cluster::{Cluster, Error};
use crate::mounts;
use crate::node::objects;
use crate::paths::{self, PathError};

/// The file that takes the space away.
const FILLER: &str = ".filler";

/// A volume of a fixed size. It lives until the cluster is removed; a reboot empties it.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl Cluster {
    /// Makes a storage class called `class` with one volume of `bytes` bytes (rounded up to pages) in it, to be claimed
    /// before pods use it; or finds the one made before.
    ///
    /// # Errors
    /// The volume cannot be mounted, or the API server does not take it.
    pub async fn small_disk(&self, class: &str, bytes: u64) -> Result<SmallDisk, Error> {
        let folder = objects::volume_folder(self.folders(), class);
        paths::make_folder(&folder)?;
        mounts::memory(&folder, bytes)?;
        let list = objects::disk(self.name(), self.folders(), class, bytes).to_string();
        self.kubectl_with(&["apply", "--server-side", "--force-conflicts", "--filename=-"], list.as_bytes()).await?;
        Ok(SmallDisk { folder })
    }
}

impl SmallDisk {
    /// The volume's content, as the host sees it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes that can still be written.
    ///
    /// # Errors
    /// The volume is not there.
    pub fn free(&self) -> Result<u64, Error> {
        let found = statfs(&self.folder).map_err(|error| PathError::io("look at", &self.folder)(error.into()))?;
        Ok(found.blocks_available() * u64::try_from(found.block_size()).unwrap_or(0))
    }

    /// Takes all free space but `left` bytes, until [`SmallDisk::drain`].
    ///
    /// # Errors
    /// The volume is not there.
    pub fn fill(&self, left: u64) -> Result<(), Error> {
        self.drain()?;
        let taken = i64::try_from(self.free()?.saturating_sub(left)).unwrap_or(i64::MAX);
        let path = self.folder.join(FILLER);
        let file = File::create(&path).map_err(PathError::io("make", &path))?;
        if taken > 0 {
            fallocate(&file, FallocateFlags::empty(), 0, taken)
                .map_err(|error| PathError::io("fill", &path)(error.into()))?;
        }
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// The volume is not there.
    pub fn drain(&self) -> Result<(), Error> {
        fs::metadata(&self.folder).map_err(PathError::io("look at", &self.folder))?;
        Ok(paths::remove(&self.folder.join(FILLER))?)
    }
}
