//! The swarms of the BitTorrent tracker: who is in them, what they did, and the samples that come of it.
//!
//! Protocols (`announces`) bring announces in one form and take peers away in theirs; `uploaders` brings what was served. Everything
//! here but the snapshot is free of I/O. Times are milliseconds of the tracker's own monotonic clock.

mod announce;
pub mod http;
mod interval;
mod known;
mod limits;
mod load;
mod owners;
mod peer;
mod probe;
mod samples;
mod select;
mod session;
mod shard;
mod snapshot;
mod store;
mod swarm;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Duration;

use videocloud_protocol::ids::ContentId;

pub use announce::{Announce, DEFAULT_WANT, Event, Found, MAX_WANT, PeerId, Peers, Refused, Scraped};
pub use interval::Millis;
pub use known::{Hashes, Known};
pub use owners::{Roster, Seeder};
pub use probe::{Candidate, Cursor, may_try};
pub use samples::{Allocations, History};
pub use snapshot::{Snapshot, write as write_snapshot};
pub use store::{Answer, SwarmSettings, Swarms, Worker};
pub use tally::Allocated;

/// What an uploader served of one content.
#[derive(Debug, Clone, Copy)]
pub struct ServedBytes {
    /// The content.
    pub content: ContentId,
    /// Bytes to BitTorrent peers.
    pub bittorrent: u64,
    /// Bytes over HTTP.
    pub http: u64,
    /// Bytes its peers came to have.
    pub have: u64,
    /// Leechers connected.
    pub leechers: u32,
}

pub(crate) fn millis(duration: Duration) -> Millis {
    store::millis(duration)
}
