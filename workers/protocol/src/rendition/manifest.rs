//! The manifest of a finished rendition: its files, its tracks and where each segment lies in them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::RenditionSettings;
use crate::{
    content::MediaFacts,
    ids::{ContentId, RenditionKey},
};

/// A relative path inside a rendition's tree: 1 to 4 segments of `[a-z0-9._-]`, none starting with a dot. It cannot escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(String);

/// A text that is not a [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read tree path {0:?}: expected 1 to 4 segments of a-z 0-9 . _ -")]
pub struct InvalidTreePath(String);

impl TreePath {
    /// A path that is made of checked parts.
    pub(super) const fn known(path: String) -> Self {
        Self(path)
    }

    /// The text, with `/` between segments.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TreePath {
    type Err = InvalidTreePath;

    fn from_str(text: &str) -> Result<Self, InvalidTreePath> {
        let segment = |s: &str| {
            !s.is_empty()
                && s.len() <= 64
                && !s.starts_with('.')
                && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        };
        if text.split('/').count() <= 4 && text.split('/').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTreePath(text.chars().take(160).collect()))
        }
    }
}

impl TryFrom<String> for TreePath {
    type Error = InvalidTreePath;

    fn try_from(text: String) -> Result<Self, InvalidTreePath> {
        text.parse()
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> String {
        path.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({})", self.0)
    }
}

/// One file of a rendition's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TreeFile {
    /// Where it lies in the tree.
    pub path: TreePath,
    /// Bytes.
    pub size: u64,
    /// MIME type it is served with.
    pub mime: String,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// What a track carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum TrackKind {
    /// Pictures.
    Video {
        /// Coded width in pixels (square samples).
        width: u32,
        /// Coded height in pixels.
        height: u32,
        /// Mean frames per second times 1,000.
        frame_rate_milli: u32,
    },
    /// Sound.
    Audio {
        /// BCP 47 language, `und` when unknown.
        language: String,
        /// Channels.
        channels: u32,
        /// Samples per second.
        sample_rate: u32,
    },
    /// Text.
    Captions {
        /// BCP 47 language, `und` when unknown.
        language: String,
    },
}

/// A piece of a track that can be played from its start: a byte range of the track's one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Segment {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Duration in ticks of the track's timescale.
    pub ticks: u64,
}

/// One track: a single fragmented MP4 (CMAF) file whose head is the initialisation segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// Short name, unique in the rendition, used in URLs: `video`, `audio-1`.
    pub name: TreePath,
    /// What it carries.
    pub kind: TrackKind,
    /// RFC 6381 codec string, for example `avc1.64001f`.
    pub codec: String,
    /// The file.
    pub file: TreePath,
    /// Bytes of the initialisation segment at the head of the file (0 for text).
    pub init_size: u64,
    /// Ticks per second.
    pub timescale: u32,
    /// Presentation time of the first sample, in ticks.
    pub start_ticks: u64,
    /// Segments in order.
    pub segments: Vec<Segment>,
    /// Of a picture: its keyframes, each a fragment of its own inside its segment; `ticks` is the time until the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyframes: Vec<Segment>,
    /// Mean bits per second.
    pub bits_per_second: u64,
    /// Bits per second of the heaviest segment.
    pub peak_bits_per_second: u64,
}

/// The progressive file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progressive {
    /// The file in the tree.
    pub file: TreePath,
    /// File name ending users see: `mp4`, `3gp`, `webm`.
    pub extension: String,
}

/// Sprite sheets: small pictures at equal distances, row by row from the top left. Their WebVTT index is made from this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sprites {
    /// The sheets in order, all of the same size.
    pub sheets: Vec<TreePath>,
    /// Width of a picture in pixels.
    pub tile_width: u32,
    /// Height of a picture in pixels.
    pub tile_height: u32,
    /// Pictures in a row.
    pub columns: u32,
    /// Rows of a sheet.
    pub rows: u32,
    /// Milliseconds from one picture to the next.
    pub interval_millis: u64,
    /// Pictures on all sheets; the rest of the last one is black.
    pub count: u32,
}

/// What was measured while a rendition was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// The constant rate factor it was encoded with: the setting's, or the one chosen for the target.
    pub crf: u8,
    /// Mean VMAF times 1,000 of the sample scenes at that factor, when one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_vmaf_milli: Option<u32>,
    /// Worst VMAF times 1,000 of a frame beside a chunk border, among the borders that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_border_vmaf_milli: Option<u32>,
}

/// The commit point of a rendition in the store: `renditions/<key>.json`, put only if absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenditionManifest {
    /// Its key.
    pub key: RenditionKey,
    /// The content it was made from.
    pub source: ContentId,
    /// The settings that were asked for.
    pub settings: RenditionSettings,
    /// What the source's probe found.
    pub media: MediaFacts,
    /// The attempt whose files these are: the folder under `trees/<key>/`.
    pub attempt: String,
    /// Every file.
    pub files: Vec<TreeFile>,
    /// Tracks in order: video, audio, captions.
    pub tracks: Vec<Track>,
    /// The progressive file, if one was asked for.
    pub progressive: Option<Progressive>,
    /// The poster image, if one was asked for.
    pub poster: Option<TreePath>,
    /// The sprite sheets, if some were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sprites: Option<Sprites>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Duration in milliseconds.
    pub duration_millis: u64,
    /// Frames of the video track.
    pub frames: u64,
    /// Seconds since 1970 at publication.
    pub created: u64,
}

/// What the index and an object's status keep of a rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenditionSummary {
    /// Its key.
    pub key: RenditionKey,
    /// The content it was made from.
    pub source: ContentId,
    /// The settings that were asked for.
    pub settings: RenditionSettings,
    /// Picture width, 0 without video.
    pub width: u32,
    /// Picture height, 0 without video.
    pub height: u32,
    /// Mean bits per second over all tracks.
    pub bits_per_second: u64,
    /// Bytes of all files.
    pub size: u64,
    /// Duration in milliseconds.
    pub duration_millis: u64,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

impl RenditionManifest {
    /// The summary of this manifest.
    #[must_use]
    pub fn summary(&self) -> RenditionSummary {
        let (width, height) = self
            .tracks
            .iter()
            .find_map(|track| match track.kind {
                TrackKind::Video { width, height, .. } => Some((width, height)),
                TrackKind::Audio { .. } | TrackKind::Captions { .. } => None,
            })
            .unwrap_or_default();
        RenditionSummary {
            key: self.key,
            source: self.source,
            settings: self.settings.clone(),
            width,
            height,
            bits_per_second: self.tracks.iter().map(|track| track.bits_per_second).sum(),
            size: self.files.iter().map(|file| file.size).sum(),
            duration_millis: self.duration_millis,
            quality: self.quality,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_paths_cannot_escape() {
        for good in ["video.mp4", "hls/master.m3u8", "a/b/c/d"] {
            assert!(good.parse::<TreePath>().is_ok(), "{good}");
        }
        for bad in ["", "/", "a//b", "../a", "a/..", ".hidden", "A", "a/b/c/d/e", "a\\b", "a b", "a\0"] {
            assert!(bad.parse::<TreePath>().is_err(), "{bad}");
        }
    }
}
