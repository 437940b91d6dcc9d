//! What a torrent means for the download of one file: which file, which pieces hold it, what proves them. Pure.
//!
//! The formats are `videocloud_protocol::torrent`'s; who is asked for pieces is [`crate::source::bittorrent`]'s business.

mod assembly;
mod plan;
mod select;
mod web_seed;

#[cfg(test)]
mod tests;

pub use assembly::{Assembly, BadPiece, Stray};
pub use plan::{LayerNeeded, Piece, Plan, Proof};
pub use select::{NotFound, select};
pub use web_seed::file_url;
