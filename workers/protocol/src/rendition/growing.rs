//! A rendition that is played while it is made: what the workspace of its run says before there is a manifest.
//!
//! ```text
//! runs/<run>/growing/<key>/head.json   the sound, whole, and what else is known before the picture: a GrowingHead
//! runs/<run>/growing/<key>/<track>.mp4 the sound
//! runs/<run>/growing/<key>/<i>.mp4     the bytes that chunk <i> adds to the picture's file; those of chunk 0 begin with its head
//! runs/<run>/growing/<key>/<i>.json    a GrowingPart, put after the bytes
//! ```
//!
//! Parts one after the other are the file of the finished rendition, byte by byte, so segments keep their addresses and contents.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RenditionManifest, Track, TrackKind, TreeFile, TreePath};
use crate::{ids::RenditionKey, playlist::Resource};

/// What is known of a rendition before its picture is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowingHead {
    /// Its manifest so far: tracks and files of the sound.
    pub manifest: RenditionManifest,
    /// Chunks its picture is made of.
    pub chunks: u32,
    /// Target duration of the picture's playlist, seconds: that of the whole.
    pub target_seconds: u64,
}

/// What one chunk adds to the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowingPart {
    /// The picture as this chunk has it: its segments, by their places in `file`.
    pub track: Track,
    /// The file in the workspace.
    pub file: TreeFile,
}

/// Path in the workspace of what is known before the picture.
#[must_use]
pub fn head_path(key: &RenditionKey) -> TreePath {
    TreePath::known(format!("growing/{key}/head.json"))
}

/// Paths in the workspace of what chunk `index` adds: the bytes, and the [`GrowingPart`] that says so.
#[must_use]
pub fn part_paths(key: &RenditionKey, index: u32) -> (TreePath, TreePath) {
    (TreePath::known(format!("growing/{key}/{index}.mp4")), TreePath::known(format!("growing/{key}/{index}.json")))
}

/// Path in the workspace of a file of the rendition's tree that is whole already.
#[must_use]
pub fn file_path(key: &RenditionKey, file: &TreePath) -> TreePath {
    TreePath::known(format!("growing/{key}/{file}"))
}

/// A rendition as far as it is there: its head and the parts that follow each other from the first on.
#[derive(Debug, Clone)]
pub struct Growth {
    /// What was known first.
    pub head: Arc<GrowingHead>,
    /// Parts 0, 1, 2 …
    pub parts: Vec<Arc<GrowingPart>>,
}

/// Bytes of a file in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The track they are of.
    pub track: &'a Track,
    /// The file.
    pub path: TreePath,
    /// The file's size and digest.
    pub file: &'a TreeFile,
    /// First byte and number of bytes.
    pub range: (u64, u64),
}

impl Growth {
    /// The manifest of what there is; `None` before the first part. It names no keyframes: their playlist would have to grow too.
    #[must_use]
    pub fn manifest(&self) -> Option<RenditionManifest> {
        let mut picture = self.parts.first()?.track.clone();
        picture.segments = self.parts.iter().flat_map(|part| &part.track.segments).copied().collect();
        picture.keyframes.clear();
        let mut manifest = self.head.manifest.clone();
        manifest.tracks.insert(0, picture);
        Some(manifest)
    }

    /// Where the bytes of an initialisation segment or a segment are.
    #[must_use]
    pub fn piece(&self, resource: &Resource) -> Option<Piece<'_>> {
        let (name, number) = match resource {
            Resource::Init { track, .. } => (track, None),
            Resource::Segment { track, number, .. } => (track, Some(*number)),
            Resource::Master | Resource::Mpd | Resource::Media { .. } | Resource::Keyframes { .. } => return None,
        };
        let first = self.parts.first()?;
        if first.track.name != *name {
            let manifest = &self.head.manifest;
            let track = manifest.tracks.iter().find(|track| track.name == *name)?;
            let file = manifest.files.iter().find(|file| file.path == track.file)?;
            let path = file_path(&manifest.key, &file.path);
            return Some(Piece { track, path, file, range: resource.range(track)? });
        }
        let piece = |part: &'_ Arc<GrowingPart>, range| (part.file.path.clone(), range);
        let ((path, range), part) = match number {
            None => (piece(first, (0, first.track.init_size)), first),
            Some(number) => {
                let mut index = usize::try_from(number.checked_sub(1)?).ok()?;
                let part = self.parts.iter().find(|part| {
                    let here = part.track.segments.len();
                    let found = index < here;
                    index -= if found { 0 } else { here };
                    found
                })?;
                let segment = part.track.segments.get(index)?;
                (piece(part, (segment.offset, segment.size)), part)
            }
        };
        Some(Piece { track: &part.track, path, file: &part.file, range })
    }

    /// Whether a track is the one that grows.
    #[must_use]
    pub fn grows(&self, track: &Track) -> bool {
        matches!(track.kind, TrackKind::Video { .. }) && self.parts.len() < self.head.chunks as usize
    }
}
