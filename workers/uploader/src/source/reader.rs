//! Reads a blob piece by piece, whichever kind of store it lies in.

use std::{fs::File, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use videocloud_store::{ByteStream, Store, StoreError};

use super::{
    Blob,
    cache::{BLOCK, Blocks},
    file::Files,
    library::Key,
};

/// Times a broken stream of object storage is taken up again where it broke, if it brought something before.
const RESUMPTIONS: u32 = 3;

/// Why bytes did not come.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system's answer.
    #[error("failed to read a file of the store: {0}")]
    Io(#[from] io::Error),
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object ended before its manifest says.
    #[error("failed to read byte {0} of an object of the store: it ends before")]
    Short(u64),
}

impl ReadError {
    /// True when the object is not there any more.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_not_found())
    }
}

/// A blob being read. Reading on where the last read ended is cheap; jumping is not, on object storage.
pub struct Reader {
    backend: Backend,
    blocks: Blocks,
    key: Arc<Key>,
    size: u64,
}

/// Where the bytes are.
pub(super) enum Backend {
    File { files: Files, file: Arc<File> },
    Remote(Box<Remote>),
}

pub(super) struct Remote {
    store: Store,
    blob: Blob,
    stream: Option<ByteStream>,
    at: u64,
    end: u64,
    rest: Bytes,
    resumptions: u32,
}

impl Backend {
    pub(super) fn file(files: Files, file: Arc<File>) -> Self {
        Self::File { files, file }
    }

    pub(super) fn remote(store: Store, blob: Blob) -> Self {
        let remote = Remote { store, blob, stream: None, at: 0, end: 0, rest: Bytes::new(), resumptions: RESUMPTIONS };
        Self::Remote(Box::new(remote))
    }
}

impl Reader {
    pub(super) fn new(backend: Backend, blocks: Blocks, key: Arc<Key>, size: u64) -> Self {
        Self { backend, blocks, key, size }
    }

    /// Most bytes worth asking for at once.
    #[must_use]
    pub fn piece(&self) -> u64 {
        match &self.backend {
            Backend::File { files, .. } => files.buffers.piece() as u64,
            Backend::Remote(_) => BLOCK,
        }
    }

    /// Reads between 1 and `wanted` bytes at `offset`, of a range that ends at `end` (exclusive, at least one byte on).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&mut self, offset: u64, wanted: u64, end: u64) -> Result<Bytes, ReadError> {
        let wanted = usize::try_from(wanted.min(end.saturating_sub(offset))).unwrap_or(usize::MAX);
        let key = Blocks::key(&self.key, offset);
        if let Some(bytes) = self.blocks.get(&key, offset, wanted) {
            return Ok(bytes);
        }
        // The whole block, so that the next who asks finds it.
        let start = offset - offset % BLOCK;
        let length = usize::try_from(BLOCK.min(self.size.saturating_sub(start))).unwrap_or_default();
        let block = match &mut self.backend {
            Backend::File { files, file } if !self.blocks.is_in_demand(&key) => {
                return files.read(file, offset, wanted).await.map_err(|error| failed(error, offset));
            }
            Backend::File { files, file } => {
                files.read_block(file, start, length).await.map_err(|error| failed(error, start))?
            }
            Backend::Remote(remote) => {
                let ends = end.next_multiple_of(BLOCK).min(self.size);
                remote.read_block(start, length, ends).await?
            }
        };
        let from = usize::try_from(offset - start).unwrap_or(usize::MAX);
        if from >= block.len() {
            return Err(ReadError::Short(offset));
        }
        self.blocks.keep(key, block.clone());
        Ok(block.slice(from..block.len().min(from.saturating_add(wanted))))
    }
}

fn failed(error: io::Error, offset: u64) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Short(offset),
        _ => ReadError::Io(error),
    }
}

impl Remote {
    /// The `length` bytes at `start`, as part of a stream up to `end`.
    async fn read_block(&mut self, start: u64, length: usize, end: u64) -> Result<Bytes, ReadError> {
        if self.at != start || self.end != end {
            (self.at, self.end) = (start, end);
            (self.stream, self.rest) = (None, Bytes::new());
        }
        let mut block = BytesMut::with_capacity(length);
        while block.len() < length {
            if self.rest.is_empty() {
                self.rest = self.next().await?;
            }
            let piece = self.rest.split_to(self.rest.len().min(length - block.len()));
            self.at += piece.len() as u64;
            block.extend_from_slice(&piece);
        }
        Ok(block.freeze())
    }

    /// The next bytes of the stream, opened or taken up again at [`Remote::at`].
    async fn next(&mut self) -> Result<Bytes, ReadError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => match &self.blob {
                Blob::Content(id) => self.store.read(id, self.at..self.end).await?,
                Blob::Tree { manifest, file } => self.store.read_tree_file(manifest, file, self.at..self.end).await?,
            },
        };
        match stream.next().await {
            Some(Ok(bytes)) => {
                self.stream = Some(stream);
                Ok(bytes)
            }
            // A reader that was paced for long finds its connection to the store closed.
            Some(Err(error)) if error.is_not_found() || self.resumptions == 0 => Err(error.into()),
            Some(Err(error)) => {
                tracing::debug!(%error, "object storage broke off; reading on");
                self.resumptions -= 1;
                Ok(Bytes::new())
            }
            None => Err(ReadError::Short(self.at)),
        }
    }
}
