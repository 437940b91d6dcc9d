//! The bytes behind what is served: files of the store, read in bounded pieces.
//!
//! On a file system a piece that is in the page cache is read where the request is; only what has to come from the disk goes
//! to a blocking thread, of which a bounded number is busy at a time. Object storage is read as one stream per answer. Blocks in
//! demand are kept in memory. What a file means, and whether it may be seen, is decided elsewhere.

pub mod buffers;
pub mod cache;
pub mod file;
pub mod library;
pub mod reader;

pub use library::{Blob, Library};
pub use reader::Reader;
