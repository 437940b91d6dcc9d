//! A content: one immutable file, what is known of it, and how it came to be trusted.

use serde::{Deserialize, Serialize};

use crate::ids::ContentId;

/// How the bytes of a content came to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verification {
    /// The whole-file digest the user gave.
    Digest,
    /// Piece hashes of a torrent or Metalink.
    PieceHashes,
    /// At least two sources gave every piece alike.
    Agreement,
    /// One source from end to end, pinned by its ETag or date where it gave one. Nothing proves that it was right.
    SingleSource,
}

/// Who may be told that a content exists. Content fetched with credentials stays private to its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Visibility {
    /// Anyone who asks for the same link or digest.
    Public,
    /// Objects of this namespace only.
    Namespace(String),
}

/// The commit point of a content in the store: `contents/<id>.json`, put only if absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ContentManifest {
    /// SHA-256 of the whole file.
    pub id: ContentId,
    /// Bytes.
    pub size: u64,
    /// MIME type by magic bytes, for example `video/mp4`.
    pub mime: String,
    /// The hashes it is known by elsewhere.
    pub hashes: ContentHashes,
    /// How it came to be trusted.
    pub verification: Verification,
    /// Who may be told of it.
    pub visibility: Visibility,
    /// Seconds since 1970 at publication.
    pub created: u64,
}

impl ContentManifest {
    /// What the file is called where nobody gave it a name, as in its torrent: the front of its id, and an extension by its type.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", &self.id.to_string()[..16], extension(&self.mime))
    }
}

/// Extension of the files of a MIME type, `bin` where none is known.
#[must_use]
pub fn extension(mime: &str) -> &'static str {
    match mime {
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "video/x-matroska" => "mkv",
        "video/mp2t" => "ts",
        "video/mpeg" => "mpg",
        "video/x-msvideo" => "avi",
        "video/x-flv" => "flv",
        "video/3gpp" => "3gp",
        "video/ogg" => "ogv",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        _ => "bin",
    }
}

/// Hashes by which other protocols know the same bytes, lower-case hex. Any one finds all the others (Open-P2SP, section 1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ContentHashes {
    /// SHA-1 of the whole file.
    pub sha1: Option<String>,
    /// BLAKE3 of the whole file.
    pub blake3: Option<String>,
    /// MD4-based ed2k hash.
    pub ed2k: Option<String>,
    /// BitTorrent v1 info hash of the torrent made at publication.
    pub info_hash_v1: Option<String>,
    /// BitTorrent v2 info hash of the torrent made at publication.
    pub info_hash_v2: Option<String>,
    /// The 3-chunk hash: a matching hint, never proof.
    pub three_chunk: Option<String>,
}

/// What a probe found in a content. Ticks and rates are rounded for people; plans carry the exact ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct MediaFacts {
    /// Container, for example `mov` or `matroska`.
    pub container: String,
    /// Duration in milliseconds.
    pub duration_millis: u64,
    /// Display width in pixels after rotation; 0 without video.
    pub width: u32,
    /// Display height in pixels after rotation; 0 without video.
    pub height: u32,
    /// Mean frames per second times 1,000.
    pub frame_rate_milli: u32,
    /// Video codec, empty without video.
    pub video_codec: String,
    /// Audio codec of the first track, empty without audio.
    pub audio_codec: String,
    /// Number of audio tracks.
    pub audio_tracks: u32,
}
