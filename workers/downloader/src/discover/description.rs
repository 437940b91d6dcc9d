//! What is known of a content besides its bytes.

use std::sync::Arc;

use videocloud_protocol::digest::Digest;
use videocloud_protocol::link::Link;

use super::Pieces;

/// A description of one content. Whatever is `None` or empty is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// File name its author gave it; foreign text, for showing only.
    pub name: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Digests of the whole content.
    pub digests: Vec<Digest>,
    /// Its ed2k hash.
    pub ed2k: Option<[u8; 16]>,
    /// Hashes of its pieces.
    pub pieces: Option<Arc<Pieces>>,
    /// More links to the same content.
    pub links: Vec<FurtherLink>,
    /// Where the description says it comes from, for showing only.
    pub origin: Option<String>,
    /// Whether the link that led here names the description by a hash of it (a magnet, or a digest the user gave): then it proves
    /// the content. Otherwise it is only as good as the server it came from.
    pub certified: bool,
}

/// One more link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherLink {
    /// The link.
    pub link: Link,
    /// Higher is asked first; 100 is usual.
    pub priority: i32,
    /// ISO 3166 country code, lower case.
    pub location: Option<String>,
}
