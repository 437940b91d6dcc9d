//! Torrents of the store's contents: which there are, by what they are named on the wire, and the documents made of them.
//!
//! [`index`] knows all of them by their hashes alone, so that an idle one costs next to nothing; [`collection`] reads or makes the one
//! that is asked for; [`documents`] is the text of `.torrent`, Metalink and magnet. Who may see them is decided at the edge, and what
//! peers do with them in [`crate::seeding`].

pub mod collection;
pub mod documents;
pub mod index;

pub use collection::{Collection, TorrentError};
pub use index::Index;
