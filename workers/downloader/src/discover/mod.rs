//! From one link to many: what a Metalink, a torrent or a magnet tells of a content while it is fetched.
//!
//! A [`Discovery`] runs beside the transfer for as long as it may find something: it describes the content (size, digests,
//! piece hashes, further links) and names sources that links cannot name, such as the peers of a swarm. It writes no byte: what
//! it finds is judged by the engine like any other source.

mod description;
pub mod ed2k;
pub mod metalink;
mod pieces;

pub use description::{Description, FurtherLink};
pub use pieces::{Check, MAX_PIECES, PieceHashes, Pieces, PiecesError, Tail, merkle_root};

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use videocloud_store::StoreError;

use crate::schedule::SpanSet;
use crate::source::{BoxFuture, Source, SourceError};

/// Finds that may wait for the engine; a discovery waits when it is full.
pub const QUEUE: usize = 256;

/// A source's number within its discovery, chosen by the discovery and not used again for another source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindId(pub u64);

/// A source that a discovery found.
#[derive(Clone)]
pub struct Found {
    /// Its number.
    pub id: FindId,
    /// Who it is, for logs and reports (a peer's address); no secrets.
    pub label: String,
    /// How it is spoken to.
    pub source: Arc<dyn Source>,
    /// What it can give at present; `None` is everything. A peer that chokes holds nothing until it unchokes.
    pub holds: Option<SpanSet>,
    /// Higher is asked first while nothing has been measured.
    pub priority: i32,
}

/// What a discovery tells.
#[derive(Clone)]
pub enum Find {
    /// What the content is. May come again when more is known; what was said before must not be contradicted.
    Description(Description),
    /// A source that may be asked from now on.
    Source(Found),
    /// What a source can give changed: this is the whole of it.
    Holds {
        /// The source.
        source: FindId,
        /// All it can give now.
        holds: SpanSet,
    },
    /// A source that will not answer any more.
    Gone {
        /// The source.
        source: FindId,
        /// Why.
        reason: SourceError,
    },
    /// How it goes, for people and for the decision to give up: for example "3 trackers and the DHT know 0 peers".
    Note(String),
}

/// What is there of a content, for those who give of it to others.
pub trait Held: Send + Sync {
    /// Reads `length` bytes at `at`, all of which were said to be [verified](Discovery::verified), when they may be given.
    fn read(&self, at: u64, length: usize) -> BoxFuture<'_, Result<Bytes, StoreError>>;
}

/// Something that finds out about a content while it is fetched.
pub trait Discovery: Send + Sync {
    /// Tells `finds` what it finds, until `stop` is cancelled or nothing more can be found. The engine ends it by both:
    /// it cancels the token, and drops the future a little later.
    ///
    /// # Errors
    /// [`SourceError`] when the link is no use: its fault says whether to try again (`Transient`) or not (`Gone`).
    fn run(&self, finds: mpsc::Sender<Find>, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>>;

    /// A source of this discovery gave bytes that a piece hash disproves, and is not asked again.
    fn banned(&self, source: FindId) {
        let _ = source;
    }

    /// What is verified may be given to others, by reading it from `held`. Called before [`Discovery::run`], or never.
    fn lend(&self, held: Arc<dyn Held>) {
        drop(held);
    }

    /// These bytes of the content are there and proven: a swarm may offer them to its peers.
    fn verified(&self, holds: &SpanSet) {
        let _ = holds;
    }
}
