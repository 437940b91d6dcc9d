//! From the bytes of one file to pieces and back.
//!
//! Pieces of a v1 torrent are cut from all files in a row, so the first and the last piece of a file may hold bytes of its
//! neighbours: those are fetched as well, because only the whole piece can be verified. Pads are zeros and are not fetched.

use std::ops::Range;
use std::sync::Arc;

use videocloud_protocol::torrent::merkle::{self, Hash};
use videocloud_protocol::torrent::{File, Info};

use crate::schedule::{Span, SpanSet};

/// The piece layer of the file is not known, and nothing else proves its pieces: peers have to be asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to plan a download: the piece layer of the file is not known")]
pub struct LayerNeeded;

/// What proves a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// SHA-1 over the piece, pads as zeros.
    Sha1([u8; 20]),
    /// Root of a Merkle tree over the piece's blocks.
    Merkle {
        /// The node.
        root: Hash,
        /// Leaves below it, a power of two.
        blocks: usize,
    },
}

/// One piece, as it is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its number in the torrent.
    pub index: u32,
    /// Bytes to fetch: all but the pad at its end.
    pub length: u32,
    /// Bytes its SHA-1 covers; those behind `length` are zeros.
    pub hashed: u32,
    /// Where the file's bytes begin in it.
    pub skip: u32,
    /// Which bytes of the file it holds.
    pub content: Span,
    /// What proves it.
    pub proof: Proof,
}

/// The pieces of one file.
#[derive(Debug, Clone)]
pub struct Plan {
    info: Arc<Info>,
    file: File,
    /// One hash for each piece of the file, when Merkle hashes prove it.
    layer: Option<Arc<[Hash]>>,
}

impl Plan {
    /// A plan for file `index` of `info`; `layer` is its piece layer (already checked), if known.
    ///
    /// # Errors
    /// [`LayerNeeded`] for a v2 file of several pieces without it.
    ///
    /// # Panics
    /// Never: an index that is out of range stands for the last file, and a torrent has files.
    pub fn new(info: Arc<Info>, index: usize, layer: Option<Vec<Hash>>) -> Result<Self, LayerNeeded> {
        let file = info.files().get(index).or(info.files().last()).cloned().ok_or(LayerNeeded)?;
        let layer = match (file.root, layer) {
            (Some(root), _) if file.length <= info.piece_length() => Some(vec![root]),
            (Some(_), Some(layer)) if layer.len() as u64 == file.length.div_ceil(info.piece_length()) => Some(layer),
            _ if info.v1_hash(0).is_some() => None,
            _ => return Err(LayerNeeded),
        };
        Ok(Self { info, file, layer: layer.map(Arc::from) })
    }

    /// The torrent.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Pieces that hold bytes of the file.
    #[must_use]
    pub fn pieces(&self) -> Range<u32> {
        let length = self.info.piece_length();
        let number = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
        number(self.file.offset / length)..number(self.file.end().div_ceil(length))
    }

    /// Pieces that hold bytes of `span` of the file.
    #[must_use]
    pub fn pieces_of(&self, span: Span) -> Range<u32> {
        let length = self.info.piece_length();
        let at = |byte: u64| self.file.offset.saturating_add(byte.min(self.file.length));
        let number = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
        number(at(span.start()) / length)..number(at(span.end()).div_ceil(length))
    }

    /// Piece `index`, if it holds bytes of the file.
    #[must_use]
    pub fn piece(&self, index: u32) -> Option<Piece> {
        let piece_length = self.info.piece_length();
        let begin = u64::from(index).checked_mul(piece_length)?;
        let end = begin + self.info.length_of(index.into());
        let content = Span::new(begin.max(self.file.offset), end.min(self.file.end()))?;
        let skip = content.start() - begin;
        let content = Span::new(content.start() - self.file.offset, content.end() - self.file.offset)?;
        let (length, proof) = match &self.layer {
            Some(layer) => {
                let place = usize::try_from(content.start() / piece_length).ok()?;
                let blocks = merkle::blocks_of_piece(self.file.length, piece_length);
                (content.len(), Proof::Merkle { root: *layer.get(place)?, blocks })
            }
            None => (self.unpadded(begin, end), Proof::Sha1(self.info.v1_hash(index.into())?)),
        };
        let narrow = |bytes: u64| u32::try_from(bytes).ok();
        let (length, hashed) = (narrow(length)?, narrow(end - begin)?);
        Some(Piece { index, length, hashed, skip: narrow(skip)?, content, proof })
    }

    /// Bytes of the file in the pieces that `has` says are there.
    pub fn content_of(&self, has: impl Fn(u32) -> bool) -> SpanSet {
        let length = self.info.piece_length();
        let span = |index: u32| {
            let begin = u64::from(index) * length;
            let (from, to) = (begin.max(self.file.offset), (begin + length).min(self.file.end()));
            Span::new(from - self.file.offset, to.checked_sub(self.file.offset)?)
        };
        self.pieces().filter(|&index| has(index)).filter_map(span).collect()
    }

    /// Length of the piece at `begin..end` without the pad at its end.
    fn unpadded(&self, begin: u64, end: u64) -> u64 {
        let files = self.info.files();
        let before = files.partition_point(|file| file.offset < end);
        let last = files.iter().take(before).rev().find(|file| file.length > 0);
        last.map_or(0, |file| file.end().min(end).saturating_sub(begin))
    }
}
