//! The torrents of a store: read where they were kept, made from the bytes where they were not, one at a time, and kept then. A pass
//! over the store's listing finds new contents; only what is new is read.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::{
    content::ContentManifest,
    ids::ContentId,
    torrent::{
        InfoHash, InfoHashes,
        make::{Hasher, Torrents},
    },
};
use videocloud_store::{Store, StoreError};

use super::Index;
use crate::{
    catalogue::shelf::{Shelf, Terms, Unavailable},
    source::{Blob, Library, reader::ReadError},
};

/// Torrents kept at hand. One of many pieces takes 200 kB.
const KEPT: Terms = Terms {
    entries: NonZeroUsize::MIN.saturating_add(255),
    fresh: Duration::from_secs(3600),
    stale: Duration::from_secs(7200),
    absent: Duration::from_secs(1),
};
/// Time between passes over the store.
const PASS_EVERY: Duration = Duration::from_secs(15);
/// Shortest time between them, when peers ask for what is not known.
const PASS_AT_MOST: Duration = Duration::from_secs(2);
/// Bytes read and hashed at a time.
const BLOCK: u64 = 256 << 10;

/// Why there is no torrent.
#[derive(Debug, thiserror::Error)]
pub enum TorrentError {
    /// The store does not answer.
    #[error("failed to make a torrent: {0}")]
    Store(#[from] StoreError),
    /// The bytes do not come.
    #[error("failed to make a torrent: {0}")]
    Read(#[from] ReadError),
    /// The content has no bytes, or something that cannot be.
    #[error("failed to make a torrent of {content}: {why}")]
    Impossible {
        /// The content.
        content: ContentId,
        /// Why.
        why: String,
    },
    /// Asked lately, and failed.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// The torrents of a store.
#[derive(Debug)]
pub struct Collection {
    store: Store,
    library: Arc<Library>,
    private: bool,
    index: RwLock<Index>,
    shelf: Shelf<ContentId, Torrents>,
    turn: Arc<Semaphore>,
    wanted: Notify,
}

impl Collection {
    /// Nothing known yet. Torrents that are made here are `private` or not (BEP 27).
    #[must_use]
    pub fn new(store: Store, library: Arc<Library>, private: bool) -> Arc<Self> {
        let (index, turn) = (RwLock::default(), Arc::new(Semaphore::new(1)));
        Arc::new(Self { store, library, private, index, shelf: Shelf::new(KEPT), turn, wanted: Notify::new() })
    }

    /// The torrent of a content.
    ///
    /// # Errors
    /// [`TorrentError`].
    pub async fn torrent(self: &Arc<Self>, manifest: &ContentManifest) -> Result<Arc<Torrents>, TorrentError> {
        let impossible = || TorrentError::Impossible { content: manifest.id, why: "it has no bytes".into() };
        let fetch = || {
            let (this, manifest) = (Arc::clone(self), manifest.clone());
            async move { this.fetch(&manifest).await.map(Some) }
        };
        let torrent = self.shelf.get(&manifest.id, fetch).await?.ok_or_else(impossible)?;
        self.write(|index| index.put(manifest.id, &torrent.hashes()));
        Ok(torrent)
    }

    /// The torrent of a content that a peer asks for.
    ///
    /// # Errors
    /// [`TorrentError`]; a content that is gone is forgotten.
    pub async fn of_content(self: &Arc<Self>, content: &ContentId) -> Result<Arc<Torrents>, TorrentError> {
        match self.store.manifest(content).await {
            Ok(manifest) => self.torrent(&manifest).await,
            Err(error) => {
                if error.is_not_found() {
                    self.forget(content);
                }
                Err(error.into())
            }
        }
    }

    /// Forgets a content whose bytes are gone.
    pub fn forget(&self, content: &ContentId) {
        self.shelf.forget(content);
        self.write(|index| index.remove(content));
    }

    /// Looks into the index.
    pub fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The content of a swarm; a name that is not known brings the next pass forward.
    #[must_use]
    pub fn find(&self, name: &InfoHash) -> Option<ContentId> {
        let found = self.read(|index| index.content(name));
        if found.is_none() {
            self.wanted.notify_one();
        }
        found
    }

    /// The name that an encrypted opening hides.
    #[must_use]
    pub fn reveal(&self, hidden: &[u8; 20]) -> Option<InfoHash> {
        let found = self.read(|index| index.revealed(hidden));
        if found.is_none() {
            self.wanted.notify_one();
        }
        found
    }

    /// Follows the store until `closing` is cancelled.
    pub async fn follow(self: Arc<Self>, closing: CancellationToken) {
        while !closing.is_cancelled() {
            if let Some(Err(error)) = closing.run_until_cancelled(self.pass()).await {
                tracing::warn!(%error, "the store was not listed; torrents that are new are not seeded yet");
            }
            let pause = async {
                tokio::time::sleep(PASS_AT_MOST).await;
                let rest = PASS_EVERY.saturating_sub(PASS_AT_MOST);
                // Ends early when somebody asks.
                drop(tokio::time::timeout(rest, self.wanted.notified()).await);
            };
            closing.run_until_cancelled(pause).await;
        }
        self.shelf.close().await;
    }

    /// One pass: takes in what is new and forgets what is gone.
    ///
    /// # Errors
    /// [`StoreError`] of the listing.
    async fn pass(self: &Arc<Self>) -> Result<(), StoreError> {
        let listed: HashSet<ContentId> = self.store.list_ids().try_collect().await?;
        let gone: Vec<ContentId> = self.read(|index| index.contents().filter(|id| !listed.contains(id)).collect());
        gone.iter().for_each(|content| self.forget(content));
        let new: Vec<ContentId> = self.read(|index| listed.iter().filter(|id| !index.has(id)).copied().collect());
        let manifests = futures::stream::iter(new).map(|id| async move { self.store.manifest(&id).await });
        let mut manifests = manifests.buffer_unordered(16);
        while let Some(found) = manifests.next().await {
            let manifest = match found {
                Ok(manifest) => manifest,
                // Deleted, and its id is kept a while.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            if let Some(hashes) = stated(&manifest) {
                self.write(|index| index.put(manifest.id, &hashes));
            } else if let Err(error) = self.torrent(&manifest).await {
                tracing::warn!(content = %manifest.id, %error, "not seeded");
            }
        }
        Ok(())
    }

    async fn fetch(&self, manifest: &ContentManifest) -> Result<Torrents, TorrentError> {
        if let Some(kept) = self.store.torrent(&manifest.id).await? {
            match Torrents::parse(&kept) {
                Ok(torrent) if self.fits(manifest, &torrent) => return Ok(torrent),
                Ok(_) => tracing::info!(content = %manifest.id, "the torrent that is kept is another; made anew"),
                Err(error) => tracing::warn!(content = %manifest.id, %error, "made anew"),
            }
        }
        let Ok(_turn) = self.turn.acquire().await else {
            return Err(TorrentError::Impossible { content: manifest.id, why: "stopping".into() });
        };
        let torrent = self.make(manifest).await?;
        // On a volume that is mounted read-only it is made again after a restart.
        if let Err(error) = self.store.put_torrent(&manifest.id, torrent.kept().clone()).await {
            tracing::debug!(content = %manifest.id, %error, "the torrent is not kept");
        }
        Ok(torrent)
    }

    async fn make(&self, manifest: &ContentManifest) -> Result<Torrents, TorrentError> {
        let impossible = |why: String| TorrentError::Impossible { content: manifest.id, why };
        let mut reader = self.library.open(&Blob::Content(manifest.id), manifest.size).await?;
        let (mut hasher, mut at) = (Hasher::new(manifest.size), 0);
        while at < manifest.size {
            let bytes = reader.read(at, BLOCK, manifest.size).await?;
            at += bytes.len() as u64;
            let hashed = tokio::task::spawn_blocking(move || {
                hasher.update(&bytes);
                hasher
            });
            hasher = hashed.await.map_err(|error| impossible(error.to_string()))?;
        }
        let pieces = hasher.finish().ok_or_else(|| impossible("it has no bytes".into()))?;
        // Where the manifest names a swarm, that one is meant.
        let private = stated(manifest).is_some() || self.private;
        pieces.torrents(&manifest.file_name(), private).map_err(|error| impossible(error.to_string()))
    }

    /// Whether a kept torrent is that of the content, as it would be made now.
    fn fits(&self, manifest: &ContentManifest, torrent: &Torrents) -> bool {
        let meant =
            stated(manifest).map_or(torrent.v1.info.is_private() == self.private, |hashes| hashes == torrent.hashes());
        meant && torrent.v1.info.total() == manifest.size
    }

    fn write<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The hashes a manifest names, if it names both.
fn stated(manifest: &ContentManifest) -> Option<InfoHashes> {
    let v1 = manifest.hashes.info_hash_v1.as_deref()?.parse().ok()?;
    let v2 = manifest.hashes.info_hash_v2.as_deref()?.parse().ok()?;
    InfoHashes::new(Some(v1), Some(v2))
}
