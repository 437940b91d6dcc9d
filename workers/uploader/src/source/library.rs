//! Opens what is served, and keeps files open that are asked for again and again.

use std::{
    fs::File,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use videocloud_protocol::{
    ids::{ContentId, RenditionKey},
    rendition::{RenditionManifest, TreePath},
};
use videocloud_store::{Store, StoreError};

use super::{Reader, file::Files};

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
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Content(ContentId),
    Tree { rendition: RenditionKey, attempt: String, file: TreePath },
}

impl Blob {
    fn key(&self) -> Key {
        match self {
            Self::Content(id) => Key::Content(*id),
            Self::Tree { manifest, file } => {
                Key::Tree { rendition: manifest.key, attempt: manifest.attempt.clone(), file: file.clone() }
            }
        }
    }
}

/// The store as the edge reads it.
#[derive(Debug)]
pub struct Library {
    store: Store,
    files: Files,
    open: Mutex<LruCache<Key, (Arc<File>, Instant)>>,
}

impl Library {
    /// Reads `store` by `files`.
    #[must_use]
    pub fn new(store: Store, files: Files) -> Self {
        Self { store, files, open: Mutex::new(LruCache::new(OPEN_FILES)) }
    }

    /// The reader of a blob.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] on a file system; on object storage the first read says so.
    pub async fn open(&self, blob: &Blob) -> Result<Reader, StoreError> {
        let key = blob.key();
        if let Some(file) = self.opened(&key) {
            return Ok(Reader::file(self.files.clone(), file));
        }
        let file = match blob {
            Blob::Content(id) => self.store.open_file(id).await?,
            Blob::Tree { manifest, file } => self.store.open_tree_file(manifest, file).await?,
        };
        Ok(match file {
            Some(file) => {
                self.keep(key, &file);
                Reader::file(self.files.clone(), file)
            }
            None => Reader::remote(self.store.clone(), blob.clone()),
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

    fn keep(&self, key: Key, file: &Arc<File>) {
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
