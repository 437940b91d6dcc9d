//! Metalink 4 and 3: a description of a content with its mirrors, as a file or behind a link.

mod hashes;
mod parse;
#[cfg(test)]
mod tests;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;

pub use parse::{MAX_DOCUMENT, MetalinkError, parse};

use super::{Description, Discovery, Find};
use crate::source::{BoxFuture, Source, SourceError, document};

/// A Metalink behind a link.
pub struct Metalink<S> {
    source: S,
    select: Option<String>,
}

impl<S: Source> Metalink<S> {
    /// The document that `source` gives; of several files the one of that name.
    #[must_use]
    pub fn new(source: S, select: Option<String>) -> Self {
        Self { source, select }
    }
}

impl<S: Source> Discovery for Metalink<S> {
    fn run(&self, finds: mpsc::Sender<Find>, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let bytes = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                bytes = document(&self.source, MAX_DOCUMENT) => bytes?,
            };
            let select = self.select.clone();
            let parsed = tokio::task::spawn_blocking(move || parse(&bytes, select.as_deref())).await;
            let parsed = parsed.map_err(|error| SourceError::transient(reason::INTERNAL, error.to_string()))?;
            let description = parsed.map_err(|error| SourceError::gone(reason::PROTOCOL_ERROR, error.to_string()))?;
            // Nobody listens any more when the download has ended.
            let _ = finds.send(Find::Description(description)).await;
            Ok(())
        })
    }
}

/// A Metalink that is there already: a file the user gave.
pub struct Given(Description);

impl Given {
    /// What `bytes` describe; of several files the one that `select` names.
    ///
    /// # Errors
    /// [`MetalinkError`].
    pub fn read(bytes: &[u8], select: Option<&str>) -> Result<Self, MetalinkError> {
        parse(bytes, select).map(Self)
    }
}

impl Discovery for Given {
    fn run(&self, finds: mpsc::Sender<Find>, _: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            // Nobody listens any more when the download has ended.
            let _ = finds.send(Find::Description(self.0.clone())).await;
            Ok(())
        })
    }
}
