//! Opens what is served, and keeps files open that are asked for again and again.

use std::{
    fs::File,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use videocloud_protocol::{
    ids::{ContentId, RenditionKey, RunId},
    rendition::{RenditionManifest, TreePath},
};
use videocloud_store::{Store, StoreError};

use super::{Reader, cache::Blocks, file::Files, reader::Backend};

/// Files kept open.
const OPEN_FILES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// A file is opened anew after this long, so that one deleted from the store gives its room back.
const OPEN_FOR: Duration = Duration::from_secs(30);

/// Something with bytes in the store.
#[derive(Debug, Clone)]
pub enum Blob {
    /// The original.
    Content(ContentId),
    /// A file of a rendition.
    Tree {
        /// The rendition.
        manifest: Arc<RenditionManifest>,
        /// The file in its tree.
        file: TreePath,
    },
    /// A file in the workspace of a run.
    Run {
        /// The run.
        run: RunId,
        /// The file in there.
        file: TreePath,
        /// Bytes of the whole file.
        size: u64,
    },
}

/// What tells blobs apart: the bytes behind a key never change.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Content(ContentId),
    Tree { rendition: RenditionKey, attempt: String, file: TreePath },
    Run { run: RunId, file: TreePath },
}

impl Blob {
    fn key(&self) -> Key {
        match self {
            Self::Content(id) => Key::Content(*id),
            Self::Tree { manifest, file } => {
                Key::Tree { rendition: manifest.key, attempt: manifest.attempt.clone(), file: file.clone() }
            }
            Self::Run { run, file, size: _ } => Key::Run { run: *run, file: file.clone() },
        }
    }
}

/// Open files, each since when.
type OpenFiles = LruCache<Arc<Key>, (Arc<File>, Instant)>;

/// The store as the edge reads it.
#[derive(Debug)]
pub struct Library {
    store: Store,
    files: Files,
    blocks: Blocks,
    open: Mutex<OpenFiles>,
}

impl Library {
    /// Reads `store` by `files`, and keeps what is in demand in `blocks`.
    #[must_use]
    pub fn new(store: Store, files: Files, blocks: Blocks) -> Self {
        Self { store, files, blocks, open: Mutex::new(LruCache::new(OPEN_FILES)) }
    }

    /// The reader of a blob; `size` bytes are the whole of it where its manifest is not at hand.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] on a file system; on object storage the first read says so.
    pub async fn open(&self, blob: &Blob, size: u64) -> Result<Reader, StoreError> {
        let key = Arc::new(blob.key());
        let size = match blob {
            Blob::Content(_) => size,
            Blob::Run { size, .. } => *size,
            Blob::Tree { manifest, file } => {
                manifest.files.iter().find(|known| known.path == *file).map_or(size, |known| known.size)
            }
        };
        let reader = |backend, key| Reader::new(backend, self.blocks.clone(), key, size);
        if let Some(file) = self.opened(&key) {
            return Ok(reader(Backend::file(self.files.clone(), file), key));
        }
        let file = match blob {
            Blob::Content(id) => self.store.open_file(id).await?,
            Blob::Tree { manifest, file } => self.store.open_tree_file(manifest, file).await?,
            Blob::Run { run, file, .. } => self.store.run(run).open_file(file).await?,
        };
        Ok(match file {
            Some(file) => {
                self.keep(Arc::clone(&key), &file);
                reader(Backend::file(self.files.clone(), file), key)
            }
            None => reader(Backend::remote(self.store.clone(), blob.clone()), key),
        })
    }

    fn opened(&self, key: &Key) -> Option<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get(key) {
            Some((file, since)) if since.elapsed() < OPEN_FOR => Some(Arc::clone(file)),
            Some(_) => {
                open.pop(key);
                None
            }
            None => None,
        }
    }

    fn keep(&self, key: Arc<Key>, file: &Arc<File>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).put(key, (Arc::clone(file), Instant::now()));
    }

    /// Closes files that were not asked for lately; to be called now and then.
    pub fn close_idle(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.peek_lru().is_some_and(|(_, (_, since))| since.elapsed() >= OPEN_FOR) {
            open.pop_lru();
        }
    }
}
