//! A local folder that one process holds: the data file, the last checkpoint and the lock.
//! The file-system backend keeps it in the store, the S3 backend in the scratch folder.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use nix::fcntl::{Flock, FlockArg};

use super::file::DataFile;
use crate::{
    Durability,
    error::{Result, StoreError},
    objects::fs::make_folders,
};

/// A folder held by this process.
#[derive(Debug)]
pub(super) struct LocalArea {
    folder: PathBuf,
    what: String,
    pub(super) data: Arc<DataFile>,
    durability: Durability,
    /// Held until dropped; the kernel lets go of it when the process ends in any way.
    _lock: Flock<File>,
}

impl LocalArea {
    /// Opens or creates a folder and takes its lock. Returns the checkpoint found in it, unless its data is gone.
    pub(super) async fn open(folder: PathBuf, what: String, durability: Durability) -> Result<(Self, Option<Bytes>)> {
        let name = what.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = loop {
                make_folders(&folder, durability)?;
                if let Some(lock) = take_lock(&folder)? {
                    break lock;
                }
            };
            let had_data = folder.join("data").exists();
            let data = Arc::new(DataFile::open(folder.join("data"), durability)?);
            let checkpoint = match std::fs::read(folder.join("checkpoint")) {
                Ok(bytes) if had_data => Some(Bytes::from(bytes)),
                Ok(_) => None,
                Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                Err(e) => return Err(e),
            };
            Ok((Self { folder, what: name, data, durability, _lock: lock }, checkpoint))
        });
        match opened.await {
            Ok(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => {
                Err(StoreError::Busy { what, reason: "another process is writing it" })
            }
            Ok(result) => result.map_err(|e| StoreError::io("open", what, e)),
            Err(_) => Err(StoreError::interrupted("open", what)),
        }
    }

    /// What this folder is for, for messages.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Runs file work on a blocking thread.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&DataFile) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let data = self.data.clone();
        match tokio::task::spawn_blocking(move || work(&data)).await {
            Ok(result) => result.map_err(|e| StoreError::io(action, &self.what, e)),
            Err(_) => Err(StoreError::interrupted(action, &self.what)),
        }
    }

    /// Replaces the checkpoint, whole and durable. The data it speaks of must be durable already.
    pub(super) async fn save(&self, checkpoint: Bytes) -> Result<()> {
        let (folder, durability) = (self.folder.clone(), self.durability);
        self.blocking("write the checkpoint of", move |_| {
            let (new, target) = (folder.join("checkpoint.new"), folder.join("checkpoint"));
            let mut file = File::create(&new)?;
            file.write_all(&checkpoint)?;
            durability.file(&file)?;
            std::fs::rename(new, &target)?;
            durability.parent(&target)
        })
        .await
    }

    /// Removes the folder. The checkpoint goes first, so that no crash leaves one without its data.
    pub(super) async fn remove(&self) -> Result<()> {
        let folder = self.folder.clone();
        self.blocking("remove", move |_| {
            match std::fs::remove_file(folder.join("checkpoint")) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            match std::fs::remove_dir_all(&folder) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            }
        })
        .await
    }
}

/// Takes the lock of a folder; `None` when the folder was removed meanwhile, `WouldBlock` when it is held.
fn take_lock(folder: &Path) -> io::Result<Option<Flock<File>>> {
    let path = folder.join("lock");
    let file = match File::options().create(true).truncate(false).write(true).open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| io::Error::from(errno))?;
    // The holder before us may have removed the file between our open and our lock.
    match std::fs::metadata(&path) {
        Ok(named) if named.ino() == lock.metadata()?.ino() => Ok(Some(lock)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
