//! What a stranger's file is, found out without trusting it: magic bytes, then ffprobe behind allow lists, then limits.
//!
//! The outcome is typed [`facts::SourceFacts`] or a refusal that names its reason. Nothing is decoded here beyond what ffprobe
//! needs with every codec off the allow list switched off. Times of packets are read in [`crate::plan`].

mod allowed;
pub mod facts;
mod ffprobe;
pub mod limits;
mod packets;
pub mod sniff;

use std::path::Path;

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

pub use allowed::{Access, access_args};
pub use facts::SourceFacts;
pub use ffprobe::read as read_description;
pub use packets::{Packet, packets, parse as parse_packet};
pub use sniff::Container;

use crate::tools::Tools;

/// Probes the local file at `path`; ffprobe runs in `folder`, which it may write.
///
/// # Errors
/// A [`Failure`] of class `BadInput` when the file is no acceptable media, else of what kept us from finding out.
pub async fn probe(
    tools: &Tools,
    path: &Path,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<SourceFacts, Failure> {
    let container = sniff_file(path).await?;
    let facts = ffprobe::describe(tools, path, container, folder, stop).await?;
    limits::check(&facts)?;
    Ok(facts)
}

/// The container by the first bytes of the file.
pub(crate) async fn sniff_file(path: &Path) -> Result<Container, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to read {}: {error}", path.display()))
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut head = Vec::with_capacity(sniff::HEAD);
    file.take(sniff::HEAD as u64).read_to_end(&mut head).await.map_err(unreadable)?;
    sniff::container(&head).map_err(|refusal| {
        let reason = if head.is_empty() { reason::EMPTY } else { reason::NOT_MEDIA };
        Failure::new(FailureClass::BadInput, reason, refusal.to_string())
    })
}
