//! The data file of a download in progress: reserved up front, written at many offsets at once, synced on demand.
//!
//! Writes go to the page cache on blocking threads; only [`DataFile::sync`] makes them durable.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use nix::{
    fcntl::{FallocateFlags, fallocate},
    sys::{
        statfs::{TMPFS_MAGIC, fstatfs},
        statvfs::fstatvfs,
        uio::pwritev,
    },
};

use super::direct::{After, Direct, MAX_SLICES, runs};
use crate::Durability;

/// Bytes left free on the volume by a reservation, so that manifests and checkpoints can still be written.
const HEADROOM: u64 = 1 << 20;

/// Why room could not be reserved.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Bytes free, too few.
    Full {
        free: u64,
    },
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One inode, open in two ways.
#[derive(Debug)]
struct Opened {
    file: File,
    direct: Direct,
}

impl Opened {
    fn new(file: File) -> Arc<Self> {
        Arc::new(Self { file, direct: Direct::default() })
    }
}

/// A file that is written at many offsets at once.
#[derive(Debug)]
pub(crate) struct DataFile {
    path: PathBuf,
    open: RwLock<Arc<Opened>>,
    /// The inode also has the name of a blob (a crash came between the two steps of a publication): never write to it.
    shared: AtomicBool,
    durability: Durability,
}

impl DataFile {
    /// Opens or creates the file. Blocking.
    pub(crate) fn open(path: PathBuf, durability: Durability) -> io::Result<Self> {
        let shared = std::fs::metadata(&path).is_ok_and(|m| m.nlink() > 1);
        let file = if shared {
            File::open(&path)?
        } else {
            if path.exists() {
                // A crash between sealing and linking leaves it read-only.
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
            }
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path)?;
            durability.parent(&path)?;
            file
        };
        Ok(Self { path, open: RwLock::new(Opened::new(file)), shared: AtomicBool::new(shared), durability })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it is open at this moment: another once it has been replaced by a copy.
    fn open_now(&self) -> Arc<Opened> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes from the start to the last one reserved or written.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.open_now().file.metadata()?.len())
    }

    /// Makes sure that `size` bytes will fit, and sets the length to it. Blocking.
    ///
    /// The free space is looked at first: asking the file system to allocate 100 GB where 4 are free would fill those 4
    /// before it says no.
    pub(crate) fn reserve(&self, size: u64) -> Result<(), Refusal> {
        if self.shared.load(Ordering::Acquire) && self.len()? == size {
            return Ok(());
        }
        let Opened { file, .. } = &*self.writable()?;
        let metadata = file.metadata()?;
        let before = metadata.len();
        let allocated = (metadata.blocks() * 512).min(size);
        let free = free_bytes(file)?;
        if size - allocated + HEADROOM > free {
            return Err(Refusal::Full { free: free.saturating_sub(HEADROOM) });
        }
        if size == 0 {
            return Ok(file.set_len(0)?);
        }
        let length = i64::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        // In memory this would take and clear every page, and the first byte would wait for it.
        if fstatfs(file).map_err(io::Error::from)?.filesystem_type() == TMPFS_MAGIC {
            return Ok(file.set_len(size)?);
        }
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(file.set_len(size)?),
            // NFS 3 and some FUSE file systems cannot reserve: the look at the free space above has to do.
            Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => Ok(file.set_len(size)?),
            Err(nix::Error::ENOSPC | nix::Error::EDQUOT) => {
                file.set_len(before)?;
                Err(Refusal::Full { free: free_bytes(file)?.saturating_sub(HEADROOM) })
            }
            Err(errno) => Err(Refusal::Io(errno.into())),
        }
    }

    /// Drops all bytes. Blocking.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.writable()?.file.set_len(0)
    }

    /// Writes pieces one after the other from `offset` on. Blocking.
    pub(crate) fn write_at(&self, offset: u64, pieces: &[Bytes], after: After) -> io::Result<()> {
        let open = self.writable()?;
        runs(offset, pieces, after).iter().try_for_each(|run| {
            let past = open.direct.write(&open.file, run);
            write_all(&open.file, run.offset + past as u64, &run.slices, past)
        })
    }

    /// Reads exactly `length` bytes. Blocking.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        self.open_now().file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    /// Fills `buffer`. Blocking.
    pub(crate) fn read_into(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.open_now().file.read_exact_at(buffer, offset)
    }

    /// Makes all that was written before the call durable. Blocking.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.durability.data(&self.open_now().file)
    }

    /// Makes the file read-only, young and durable: what a blob must be. A write after this one goes to a copy. Blocking.
    pub(crate) fn seal(&self) -> io::Result<()> {
        let Opened { file, .. } = &*self.open_now();
        if !self.shared.swap(true, Ordering::AcqRel) {
            file.set_modified(std::time::SystemTime::now())?;
            file.set_permissions(std::fs::Permissions::from_mode(0o444))?;
        }
        self.durability.file(file)
    }

    /// The file for writing; one that is shared with a blob is first replaced by a copy of its own.
    fn writable(&self) -> io::Result<Arc<Opened>> {
        if !self.shared.load(Ordering::Acquire) {
            return Ok(self.open_now());
        }
        let mut slot = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if self.shared.load(Ordering::Acquire) {
            let copy = self.path.with_extension("copy");
            std::fs::copy(&self.path, &copy)?;
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644))?;
            let file = OpenOptions::new().read(true).write(true).open(&copy)?;
            self.durability.file(&file)?;
            std::fs::rename(&copy, &self.path)?;
            self.durability.parent(&self.path)?;
            *slot = Opened::new(file);
            self.shared.store(false, Ordering::Release);
        }
        Ok(slot.clone())
    }
}

/// Writes slices one after the other, all but the first `skip` bytes of them, from `offset` on.
fn write_all(file: &File, mut offset: u64, slices: &[&[u8]], skip: usize) -> io::Result<()> {
    let mut slices: Vec<io::IoSlice<'_>> = slices.iter().map(|slice| io::IoSlice::new(slice)).collect();
    let mut rest = &mut slices[..];
    io::IoSlice::advance_slices(&mut rest, skip);
    while !rest.is_empty() {
        let at = i64::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let written = match pwritev(file, &rest[..rest.len().min(MAX_SLICES)], at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(nix::Error::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        offset += written as u64;
        io::IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// Bytes that an unprivileged process can still write to the volume of `file`.
pub(crate) fn free_bytes(file: &File) -> io::Result<u64> {
    let volume = fstatvfs(file).map_err(io::Error::from)?;
    Ok(volume.blocks_available().saturating_mul(volume.fragment_size()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pieces_land_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = DataFile::open(folder.path().join("data"), Durability::PowerLoss).unwrap();
        let pieces: Vec<Bytes> = (0..1000_u32).map(|i| Bytes::from(vec![i as u8; (i % 7) as usize])).collect();
        file.write_at(3, &pieces, After::Read).unwrap();
        let expected: Vec<u8> = pieces.concat();
        assert_eq!(file.read_at(3, expected.len()).unwrap(), expected);
        assert_eq!(file.len().unwrap(), 3 + expected.len() as u64);
    }

    #[test]
    fn bytes_past_the_cache_and_through_it_are_one_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = DataFile::open(folder.path().join("data"), Durability::Kill).unwrap();
        let expected: Vec<u8> = (0..3_000_017_u32).map(|i| (i % 251) as u8).collect();
        file.reserve(expected.len() as u64).unwrap();
        // A piece that begins in the middle of a page, in memory as in the file, and whole pages behind it.
        let mut memory = vec![0; expected.len() + 8192];
        let front = 4096 - memory.as_ptr().addr() % 4096;
        memory[front..front + expected.len()].copy_from_slice(&expected);
        let memory = Bytes::from(memory).slice(front..front + expected.len());
        for (start, end) in [(0, 700), (700, 1_200_000), (1_200_000, 1_204_224), (1_204_224, expected.len())] {
            file.write_at(start as u64, &[memory.slice(start..end)], After::Rest).unwrap();
        }
        assert_eq!(file.read_at(0, expected.len()).unwrap(), expected);
        file.write_at(4096, &[memory.slice(8192..528_384)], After::Rest).unwrap();
        assert_eq!(file.read_at(4096, 520_192).unwrap(), &expected[8192..528_384], "what the cache had is not kept");
    }

    #[test]
    fn more_than_the_volume_has_is_refused_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = DataFile::open(folder.path().join("data"), Durability::PowerLoss).unwrap();
        let Err(Refusal::Full { free }) = file.reserve(1 << 60) else { unreachable!("no volume has an exabyte") };
        assert!(free < 1 << 60);
        assert_eq!(file.open_now().file.metadata().unwrap().blocks(), 0);
    }

    #[test]
    fn a_file_shared_with_a_blob_is_copied_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (data, blob) = (folder.path().join("data"), folder.path().join("blob"));
        std::fs::write(&data, b"right").unwrap();
        std::fs::hard_link(&data, &blob).unwrap();
        let file = DataFile::open(data.clone(), Durability::PowerLoss).unwrap();
        file.write_at(0, &[Bytes::from_static(b"wrong")], After::Rest).unwrap();
        assert_eq!(std::fs::read(&blob).unwrap(), b"right");
        assert_eq!(std::fs::read(&data).unwrap(), b"wrong");
        assert_eq!(file.read_at(0, 5).unwrap(), "wrong");
    }
}
