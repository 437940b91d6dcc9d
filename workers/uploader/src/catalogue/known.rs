//! The shelves of the edge, and where each is filled from.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use videocloud_protocol::{
    content::ContentManifest,
    ids::{ClaimKey, ContentId, RenditionKey, RunId},
    publication::Publication,
    rendition::{
        RenditionManifest,
        growing::{self, GrowingHead, GrowingPart, Growth},
    },
    tracker::{AnnounceUrls, ClientError},
};
use videocloud_store::{Arriving, Run, Store, StoreError, TreePath};

use super::{
    Standing,
    shelf::{Shelf, Terms, Unavailable},
};

/// Longest wait for the tracker while a client waits: with an older answer at hand, better that than a pause in playback.
const TRACKER_TIMEOUT: Duration = Duration::from_secs(3);

/// What others decide and may change: asked again within seconds, so that what was taken off the edge is gone from it.
const DECISIONS: Terms = Terms {
    entries: NonZeroUsize::MIN.saturating_add(9_999),
    fresh: Duration::from_secs(2),
    stale: Duration::from_secs(5),
    absent: Duration::from_secs(1),
};

/// What never changes while it exists. The index of a two-hour track takes about 50 kB.
const MANIFESTS: Terms = Terms {
    entries: NonZeroUsize::MIN.saturating_add(1_023),
    fresh: Duration::from_secs(600),
    stale: Duration::from_secs(1200),
    absent: Duration::from_secs(1),
};

/// Parts of renditions that are being made: small, and many of them.
const PARTS: Terms = Terms { entries: NonZeroUsize::MIN.saturating_add(8_191), ..MANIFESTS };

/// Downloads that are watched while they run: what is there grows by the second.
const ARRIVALS: Terms = Terms {
    entries: NonZeroUsize::MIN.saturating_add(1_023),
    fresh: Duration::from_millis(400),
    stale: Duration::from_millis(400),
    absent: Duration::from_millis(400),
};

/// Nothing is known of it, and whoever could tell did not answer.
#[derive(Debug, thiserror::Error)]
#[error("failed to look up {what}: {source}")]
pub struct LookupError {
    what: String,
    source: Unavailable,
}

/// Why the tracker was not heard.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the tracker did not answer within {TRACKER_TIMEOUT:?}")]
    Timeout,
}

/// What is known of publications, contents and renditions.
#[derive(Debug)]
pub struct Catalogue {
    standing: Option<Arc<Standing>>,
    store: Store,
    announces: Shelf<ContentId, AnnounceUrls>,
    publications: Shelf<(String, String), Publication>,
    contents: Shelf<ContentId, ContentManifest>,
    originals: Shelf<ContentId, ContentManifest>,
    arrivals: Shelf<ClaimKey, Arriving>,
    renditions: Shelf<RenditionKey, RenditionManifest>,
    heads: Shelf<(RunId, RenditionKey), GrowingHead>,
    parts: Shelf<(RunId, RenditionKey, u32), GrowingPart>,
}

impl Catalogue {
    /// Nothing known yet. Without a tracker nothing is published under names, and the store says which contents are public.
    #[must_use]
    pub fn new(standing: Option<Arc<Standing>>, store: Store) -> Self {
        Self {
            standing,
            store,
            announces: Shelf::new(DECISIONS),
            publications: Shelf::new(DECISIONS),
            contents: Shelf::new(DECISIONS),
            originals: Shelf::new(MANIFESTS),
            arrivals: Shelf::new(ARRIVALS),
            renditions: Shelf::new(MANIFESTS),
            heads: Shelf::new(MANIFESTS),
            parts: Shelf::new(PARTS),
        }
    }

    /// What is published under a name; `None` when nothing.
    ///
    /// # Errors
    /// [`LookupError`] when the tracker does not answer and never did for this name.
    pub async fn publication(&self, namespace: &str, name: &str) -> Result<Option<Arc<Publication>>, LookupError> {
        let Some(standing) = self.open() else { return Ok(None) };
        let key = (namespace.to_owned(), name.to_owned());
        let fetch = || {
            let (standing, (namespace, name)) = (Arc::clone(standing), key.clone());
            async move { within(&standing, standing.tracker().publication(&namespace, &name)).await }
        };
        let found = self.publications.get(&key, fetch).await;
        found.map_err(|source| LookupError { what: format!("{namespace}/{name}"), source })
    }

    /// A content as the tracker knows it, or the store when there is no tracker or it does not answer; `None` when it does not
    /// exist.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn content(&self, id: &ContentId) -> Result<Option<Arc<ContentManifest>>, LookupError> {
        let Some(standing) = self.open() else { return self.original(id).await };
        let fetch = || {
            let (standing, id) = (Arc::clone(standing), *id);
            async move { within(&standing, standing.tracker().content(&id)).await }
        };
        match self.contents.get(id, fetch).await {
            Ok(found) => Ok(found),
            Err(_) => self.original(id).await,
        }
    }

    /// The trackers that a torrent of a content names, and the edges of all clusters. Where the tracker does not say, itself.
    pub async fn trackers(&self, id: &ContentId) -> AnnounceUrls {
        let mut said = AnnounceUrls { secret: false, urls: Vec::new(), mirrors: Vec::new() };
        let Some(standing) = &self.standing else { return said };
        if self.open().is_some() {
            let fetch = || {
                let (standing, id) = (Arc::clone(standing), *id);
                async move { within(&standing, standing.tracker().announce_urls(&id)).await }
            };
            if let Ok(Some(found)) = self.announces.get(id, fetch).await {
                said = AnnounceUrls::clone(&found);
            }
        }
        if said.urls.is_empty() {
            said.urls.push(standing.tracker().announce_url());
        }
        said
    }

    /// The tracker, unless its API is closed to us.
    fn open(&self) -> Option<&Arc<Standing>> {
        self.standing.as_ref().filter(|standing| !standing.is_closed())
    }

    /// The manifest of a content in the store; `None` when it does not exist.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn original(&self, id: &ContentId) -> Result<Option<Arc<ContentManifest>>, LookupError> {
        let (store, key) = (self.store.clone(), *id);
        let found = self.originals.get(id, || async move { existing(store.manifest(&key).await) }).await;
        found.map_err(|source| LookupError { what: format!("content {id}"), source })
    }

    /// What there is of a content that is being fetched for `claim`; `None` when that has ended, or not begun.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn arriving(&self, claim: &ClaimKey) -> Result<Option<Arc<Arriving>>, LookupError> {
        let (store, key) = (self.store.clone(), *claim);
        let found = self.arrivals.get(claim, || async move { store.arriving(&key).await }).await;
        found.map_err(|source| LookupError { what: format!("download {claim}"), source })
    }

    /// Forgets what was there of a content whose bytes were not found.
    pub fn forget_arriving(&self, claim: &ClaimKey) {
        self.arrivals.forget(claim);
    }

    /// The manifest of a rendition in the store; `None` when it does not exist.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn rendition(&self, key: &RenditionKey) -> Result<Option<Arc<RenditionManifest>>, LookupError> {
        let (store, wanted) = (self.store.clone(), *key);
        let found = self.renditions.get(key, || async move { existing(store.rendition(&wanted).await) }).await;
        found.map_err(|source| LookupError { what: format!("rendition {key}"), source })
    }

    /// What there is of a rendition that `run` makes; `None` before the sound and the first part are there.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn growth(&self, run: &RunId, key: &RenditionKey) -> Result<Option<Growth>, LookupError> {
        let failed = |source| LookupError { what: format!("rendition {key} of run {run}"), source };
        let workspace = self.store.run(run);
        let head = {
            let (workspace, path) = (workspace.clone(), growing::head_path(key));
            self.heads.get(&(*run, *key), || async move { read(&workspace, &path).await }).await.map_err(failed)?
        };
        let Some(head) = head else { return Ok(None) };
        let mut parts = Vec::new();
        for index in 0..head.chunks {
            let (workspace, (_, path)) = (workspace.clone(), growing::part_paths(key, index));
            let part = self.parts.get(&(*run, *key, index), || async move { read(&workspace, &path).await }).await;
            match part.map_err(failed)? {
                Some(part) => parts.push(part),
                None => break,
            }
        }
        Ok((!parts.is_empty()).then_some(Growth { head, parts }))
    }

    /// Forgets a rendition whose files were not where its manifest, or the run that makes it, said: it was deleted, and perhaps
    /// made anew; or it is finished by now.
    pub fn forget_rendition(&self, key: &RenditionKey, run: Option<&RunId>) {
        self.renditions.forget(key);
        if let Some(run) = run {
            self.heads.forget(&(*run, *key));
        }
    }

    /// Forgets a content whose bytes were not there.
    pub fn forget_content(&self, id: &ContentId) {
        self.contents.forget(id);
        self.originals.forget(id);
    }

    /// Waits for questions under way.
    pub async fn close(&self) {
        self.announces.close().await;
        self.publications.close().await;
        self.contents.close().await;
        self.originals.close().await;
        self.arrivals.close().await;
        self.renditions.close().await;
        self.heads.close().await;
        self.parts.close().await;
    }
}

async fn within<T>(standing: &Standing, call: impl Future<Output = Result<T, ClientError>>) -> Result<T, AskError> {
    let answer = tokio::time::timeout(TRACKER_TIMEOUT, call).await.map_err(|_| AskError::Timeout)?;
    Ok(answer.inspect_err(|error| standing.note(error))?)
}

/// A small JSON object of a run's workspace.
async fn read<T: serde::de::DeserializeOwned>(workspace: &Run, path: &TreePath) -> Result<Option<T>, StoreError> {
    let Some(bytes) = workspace.get(path).await? else { return Ok(None) };
    let unread = |error: serde_json::Error| StoreError::Corrupt { what: path.to_string(), detail: error.to_string() };
    serde_json::from_slice(&bytes).map(Some).map_err(unread)
}

fn existing<T>(found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
