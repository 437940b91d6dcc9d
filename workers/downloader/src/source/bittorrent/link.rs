//! A torrent behind a link: its file is fetched first, then it is followed like any other.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::{MAX_TORRENT_BYTES, Metainfo};

use super::{Named, Network, Options, Torrent};
use crate::discover::{Discovery, Find, FindId, Held};
use crate::schedule::SpanSet;
use crate::source::{BoxFuture, Source, SourceError, document};

/// See the module documentation.
pub struct TorrentLink<S> {
    source: S,
    options: Options,
    network: Network,
    torrent: OnceLock<Torrent>,
    held: OnceLock<Arc<dyn Held>>,
}

impl<S: Source> TorrentLink<S> {
    /// The torrent whose file `source` gives.
    #[must_use]
    pub fn new(source: S, options: Options, network: Network) -> Self {
        Self { source, options, network, torrent: OnceLock::new(), held: OnceLock::new() }
    }

    async fn torrent(&self) -> Result<&Torrent, SourceError> {
        if let Some(torrent) = self.torrent.get() {
            return Ok(torrent);
        }
        let bytes: Bytes = document(&self.source, MAX_TORRENT_BYTES).await?.into();
        if bytes.trim_ascii_start().first() == Some(&b'<') {
            let message = "what is behind the link is a web page, not a torrent file; open it in a browser, perhaps the file's own link \
                           is there";
            return Err(SourceError::gone(reason::PROTOCOL_ERROR, message));
        }
        let parsed = tokio::task::spawn_blocking(move || Metainfo::parse(&bytes)).await;
        let parsed = parsed.map_err(|error| SourceError::transient(reason::INTERNAL, error.to_string()))?;
        let bad = |error| {
            let message = format!("what is behind the link is no torrent file that can be used: {error}");
            SourceError::gone(reason::PROTOCOL_ERROR, message)
        };
        let file = parsed.map_err(bad)?;
        let named = Named::File(Box::new(file));
        Ok(self.torrent.get_or_init(|| {
            let torrent = Torrent::new(named, self.options.clone(), self.network.clone());
            if let Some(held) = self.held.get() {
                torrent.lend(Arc::clone(held));
            }
            torrent
        }))
    }
}

impl<S: Source> Discovery for TorrentLink<S> {
    fn run(&self, finds: mpsc::Sender<Find>, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let torrent = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                torrent = self.torrent() => torrent?,
            };
            torrent.run(finds, stop).await
        })
    }

    fn banned(&self, source: FindId) {
        if let Some(torrent) = self.torrent.get() {
            torrent.banned(source);
        }
    }

    fn lend(&self, held: Arc<dyn Held>) {
        // Only the first is used; there is one for a download.
        let _ = self.held.set(held);
    }

    fn verified(&self, holds: &SpanSet) {
        if let Some(torrent) = self.torrent.get() {
            torrent.verified(holds);
        }
    }
}
