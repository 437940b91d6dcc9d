//! Reads a blob piece by piece, whichever kind of store it lies in.

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;
use futures::StreamExt;
use videocloud_store::{ByteStream, Store, StoreError};

use super::{Blob, file::Files};

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
pub struct Reader(Backend);

enum Backend {
    File { files: Files, file: Arc<File> },
    Remote(Box<Remote>),
}

struct Remote {
    store: Store,
    blob: Blob,
    stream: Option<ByteStream>,
    at: u64,
    end: u64,
    rest: Bytes,
    resumptions: u32,
}

impl Reader {
    pub(super) fn file(files: Files, file: Arc<File>) -> Self {
        Self(Backend::File { files, file })
    }

    pub(super) fn remote(store: Store, blob: Blob) -> Self {
        let remote = Remote { store, blob, stream: None, at: 0, end: 0, rest: Bytes::new(), resumptions: RESUMPTIONS };
        Self(Backend::Remote(Box::new(remote)))
    }

    /// Most bytes worth asking for at once.
    #[must_use]
    pub fn piece(&self) -> u64 {
        match &self.0 {
            Backend::File { files, .. } => files.buffers.piece() as u64,
            Backend::Remote(_) => 256 << 10,
        }
    }

    /// Reads between 1 and `wanted` bytes at `offset`, of a range that ends at `end` (exclusive, at least one byte on).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&mut self, offset: u64, wanted: u64, end: u64) -> Result<Bytes, ReadError> {
        let wanted = usize::try_from(wanted.min(end.saturating_sub(offset))).unwrap_or(usize::MAX);
        match &mut self.0 {
            Backend::File { files, file } => match files.read(file, offset, wanted).await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Short(offset)),
                read => Ok(read?),
            },
            Backend::Remote(remote) => remote.read(offset, wanted, end).await,
        }
    }
}

impl Remote {
    async fn read(&mut self, offset: u64, wanted: usize, end: u64) -> Result<Bytes, ReadError> {
        if self.at != offset || self.end != end {
            (self.at, self.end) = (offset, end);
            (self.stream, self.rest) = (None, Bytes::new());
        }
        while self.rest.is_empty() {
            self.rest = self.next().await?;
        }
        let piece = self.rest.split_to(wanted.min(self.rest.len()));
        self.at += piece.len() as u64;
        Ok(piece)
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
