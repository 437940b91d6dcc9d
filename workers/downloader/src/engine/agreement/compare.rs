//! One mirror's bytes beside those that are staged, block by block.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use videocloud_protocol::failure::reason;
use videocloud_store::{Staging, StoreError};

use super::votes::Answer;
use crate::engine::throttle::{HostThrottle, Throttle};
use crate::schedule::Span;
use crate::source::{Ask, Opened, Source, SourceError};

/// Bytes that are compared at once, and about which mirrors vote.
pub(super) const BLOCK: u64 = 1 << 20;
/// How long a mirror may be silent.
const SILENCE: Duration = Duration::from_secs(12);

/// What came of a comparison.
pub(super) struct Compared {
    /// Length of the mirror's content, if it said.
    pub(super) size: Option<u64>,
    /// Bytes it delivered.
    pub(super) bytes: u64,
    /// What it has in each block, from the first on.
    pub(super) answers: Vec<Answer>,
    /// Why it did not come to the end.
    pub(super) failure: Option<SourceError>,
}

/// Reads `span` (whole blocks) from `source` and compares it with what is staged.
///
/// # Errors
/// The staging area cannot be read.
pub(super) async fn compare(
    source: Arc<dyn Source>,
    staging: Arc<Staging>,
    throttle: (Arc<Throttle>, Arc<HostThrottle>),
    span: Span,
    size: u64,
) -> Result<Compared, StoreError> {
    let mut compared = Compared { size: None, bytes: 0, answers: Vec::new(), failure: None };
    let mut connection = source.connect();
    let late = || SourceError::transient(reason::UNREACHABLE, "the mirror fell silent");
    throttle.1.request().await;
    let opening = tokio::time::timeout(SILENCE, connection.open(Ask { span, pin: None })).await;
    let opened = match opening.map_err(|_| late()).and_then(|opened| opened) {
        Ok(opened) => opened,
        Err(error) => {
            compared.failure = Some(error);
            return Ok(compared);
        }
    };
    compared.size = opened.size;
    if let Err(error) = usable(&opened, span, size) {
        compared.failure = Some(error);
        return Ok(compared);
    }
    let mut block = Vec::new();
    let mut position = span.start();
    while position < span.end() {
        let length = usize::try_from(BLOCK.min(span.end() - position)).unwrap_or_default();
        while block.len() < length {
            let read = tokio::time::timeout(SILENCE, connection.read()).await.map_err(|_| late());
            match read.and_then(|read| read) {
                Ok(Some(bytes)) => {
                    throttle.0.take(bytes.len() as u64).await;
                    throttle.1.take(bytes.len() as u64).await;
                    compared.bytes += bytes.len() as u64;
                    block.extend_from_slice(&bytes);
                }
                Ok(None) => {
                    let message = "the answer ended early while it was compared";
                    compared.failure = Some(SourceError::transient(reason::UNREACHABLE, message));
                    return Ok(compared);
                }
                Err(error) => {
                    compared.failure = Some(error);
                    return Ok(compared);
                }
            }
        }
        let staged = staging.read_at(position, length).await?;
        let here = &block[..length];
        compared.answers.push((here != &staged[..]).then(|| Sha256::digest(here).into()));
        block.drain(..length);
        position += length as u64;
    }
    Ok(compared)
}

/// Whether an answer can be compared at all.
fn usable(opened: &Opened, span: Span, size: u64) -> Result<(), SourceError> {
    match opened.size {
        Some(said) if said != size => Err(crate::engine::sizes::odd(said, size)),
        _ if opened.start != span.start() => {
            let message = "it serves no ranges, so it is not compared with others";
            Err(SourceError::gone(reason::UNSUPPORTED_SOURCE, message))
        }
        _ => Ok(()),
    }
}
