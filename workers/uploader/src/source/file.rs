//! Positioned reads of an open file: from the page cache at once, from the disk on a blocking thread.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use rustix::{
    io::{Errno, ReadWriteFlags, preadv2},
    param::page_size,
};
use tokio::sync::Semaphore;

use super::buffers::{Buffer, Buffers};

/// Reads that wait for a disk at the same time.
const DISK_READS: usize = 32;

/// Reads files. Clones share its buffers and threads.
#[derive(Debug, Clone)]
pub struct Files {
    /// Where pieces are read into.
    pub buffers: Buffers,
    places: Arc<Semaphore>,
    cached_reads: Arc<AtomicBool>,
}

impl Files {
    /// Reads into `buffers`.
    #[must_use]
    pub fn new(buffers: Buffers) -> Self {
        let places = Arc::new(Semaphore::new(DISK_READS));
        Self { buffers, places, cached_reads: Arc::new(AtomicBool::new(true)) }
    }

    /// Reads between 1 and `wanted` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, and what the operating system says.
    pub async fn read(&self, file: &Arc<File>, offset: u64, wanted: usize) -> io::Result<Bytes> {
        let mut buffer = self.buffers.take(wanted);
        if self.cached_reads.load(Ordering::Relaxed) {
            match cached(file, &mut buffer, offset) {
                // A short read ends where the cached pages do. Little is not worth a piece of its own.
                Ok(filled) if filled == buffer.room() || filled >= 4 * page_size() => {
                    return Ok(buffer.into_bytes(filled));
                }
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                // Not every file system can; this one never will.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.cached_reads.store(false, Ordering::Relaxed);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        self.read_disk(Arc::clone(file), buffer, offset).await
    }

    /// Reads exactly `length` bytes at `offset`, to keep them.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, and what the operating system says.
    pub async fn read_block(&self, file: &Arc<File>, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut block = vec![0; length];
        let nowait = self.cached_reads.load(Ordering::Relaxed);
        if nowait && preadv2(file, &mut [IoSliceMut::new(&mut block)], offset, ReadWriteFlags::NOWAIT) == Ok(length) {
            return Ok(block.into());
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let file = Arc::clone(file);
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            file.read_exact_at(&mut block, offset).map(|()| Bytes::from(block))
        });
        read.await.map_err(io::Error::other)?
    }

    async fn read_disk(&self, file: Arc<File>, mut buffer: Buffer, offset: u64) -> io::Result<Bytes> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        // The place goes with the read, not with the request: a request that ends does not end the read.
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            file.read_exact_at(buffer.space(), offset)?;
            let filled = buffer.room();
            Ok(buffer.into_bytes(filled))
        });
        read.await.map_err(io::Error::other)?
    }
}

/// Reads what needs no waiting; 0 bytes at the end of the file.
fn cached(file: &File, buffer: &mut Buffer, offset: u64) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(buffer.space())], offset, ReadWriteFlags::NOWAIT)
}
