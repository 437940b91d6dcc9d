//! BitTorrent's data formats: bencode, torrent files (v1, v2 and hybrid), Merkle trees, magnet links.
//!
//! Everything here is pure and takes foreign bytes: each reader has limits on size, count, depth and names, and refuses what is
//! ambiguous. Info hashes are always taken over the bytes as they came. What is spoken on the wire, and who is spoken to, is the
//! business of the workers. Sources: BEP 3 (v1), 9 (magnet), 12 (tiers), 17 and 19 (web seeds), 27 (private), 47 (pad files), 52 (v2).

pub mod bencode;
mod file;
mod hash;
mod info;
mod magnet;
pub mod make;
pub mod merkle;
mod metainfo;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

pub use file::{File, PathError};
pub use hash::{InfoHash, InfoHashes, V1Hash, V2Hash};
pub use info::{Info, InfoError};
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{Metainfo, MetainfoError, PieceLayers};

/// Largest torrent file that is read, bytes. Holds the hashes of 800,000 pieces.
pub const MAX_TORRENT_BYTES: usize = 16 << 20;
/// Most pieces of a torrent: 100 GB in pieces of 128 KiB.
pub const MAX_PIECES: u64 = 800_000;
/// Most files of a torrent.
pub const MAX_FILES: usize = 100_000;
/// Longest piece, bytes: a piece is held in memory until it is verified.
pub const MAX_PIECE_LENGTH: u64 = 32 << 20;
/// Shortest piece of a v1 torrent, bytes. The shortest of a v2 torrent is a block, 16 KiB.
pub const MIN_PIECE_LENGTH: u64 = 1 << 10;
/// Largest content of a torrent, bytes. Beyond the largest file systems, far from overflow.
pub const MAX_TOTAL: u64 = 1 << 50;
