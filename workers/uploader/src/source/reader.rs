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
    /// It is being fetched, and the byte is not to be expected.
    #[error("failed to read byte {at} of a file that is being fetched: {why}")]
    NotComing {
        /// The byte.
        at: u64,
        /// Why not.
        why: String,
    },
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
    /// Index of the block that was read last, and the block itself where it was read whole: a reader that is sent small pieces
    /// comes back to it again and again, and must neither read it again nor count as a second one who asks.
    last: Option<(u64, Option<Bytes>)>,
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
        Self { backend, blocks, key, size, last: None }
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
        let (index, within) = (offset / BLOCK, offset % BLOCK);
        let is_new = self.last.as_ref().is_none_or(|(last, _)| *last != index);
        if is_new {
            self.last = Some((index, self.blocks.get(&self.key, index)));
        }
        if let Some((_, Some(block))) = &self.last {
            return part(block, within, wanted).ok_or(ReadError::Short(offset));
        }
        let (start, length) = (offset - within, BLOCK.min(self.size.saturating_sub(offset - within)));
        let length = usize::try_from(length).unwrap_or_default();
        let block = match &mut self.backend {
            // While memory is short, nobody holds on to more than he sends.
            Backend::File { files, file }
                if !is_new || (files.buffers.piece() as u64) < BLOCK || !self.blocks.is_in_demand(&self.key, index) =>
            {
                return files.read(file, offset, wanted).await.map_err(|error| failed(error, offset));
            }
            Backend::File { files, file } => {
                files.read_block(file, start, length).await.map_err(|error| failed(error, start))?
            }
            // The whole block, so that the next who asks finds it.
            Backend::Remote(remote) => {
                let ends = end.next_multiple_of(BLOCK).min(self.size);
                remote.read_block(start, length, ends).await?
            }
        };
        self.blocks.keep(&self.key, index, block.clone());
        let read = part(&block, within, wanted).ok_or(ReadError::Short(offset));
        self.last = Some((index, Some(block)));
        read
    }
}

/// At most `wanted` bytes of a block from `within` on; `None` where it has none.
fn part(block: &Bytes, within: u64, wanted: usize) -> Option<Bytes> {
    let from = usize::try_from(within).ok().filter(|from| *from < block.len())?;
    Some(block.slice(from..block.len().min(from.saturating_add(wanted))))
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
                Blob::Run { run, file, .. } => self.store.run(run).read_range(file, self.at..self.end).await?,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use videocloud_protocol::ids::ContentId;

    use super::*;
    use crate::source::buffers::Buffers;

    fn reader(file: &Arc<File>, blocks: &Blocks, size: u64) -> Reader {
        let backend = Backend::file(Files::new(Buffers::new(64 << 20)), Arc::clone(file));
        Reader::new(backend, blocks.clone(), Arc::new(Key::Content(ContentId::from_bytes([1; 32]))), size)
    }

    #[tokio::test]
    async fn small_pieces_of_one_reader_are_one_demand_and_the_second_reader_is_the_next() {
        let bytes: Vec<u8> = (0..BLOCK + 100).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let (file, size) = (Arc::new(file), bytes.len() as u64);
        let blocks = Blocks::new(8 * BLOCK);
        for (round, kept) in [(0, false), (1, true), (2, true)] {
            let mut reader = reader(&file, &blocks, size);
            let mut got = Vec::new();
            while (got.len() as u64) < size {
                let piece = reader.read(got.len() as u64, 10_000, size).await.unwrap();
                got.extend_from_slice(&piece);
            }
            assert!(got == bytes, "round {round}");
            assert_eq!(blocks.weight() > 0, kept, "round {round}");
        }
        assert!(matches!(reader(&file, &blocks, size + 9).read(size, 9, size + 9).await, Err(ReadError::Short(_))));
    }
}
