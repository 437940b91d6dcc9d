//! One piece while its blocks come in, and the judgement over it; or a part of one, which is judged elsewhere, once all of the piece is
//! there.
//!
//! Blocks stay as they were received, nothing is copied. Hashing follows the blocks as they come in order, while they are warm.

use std::ops::Range;

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use videocloud_protocol::torrent::merkle::{self, Hash};

use super::plan::{Piece, Proof};
use crate::schedule::Span;

const BLOCK: u32 = merkle::BLOCK as u32;
/// Zeros for pads.
const ZEROS: &[u8] = &[0; 4096];

/// The piece does not have the hash it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("piece {0} does not have its hash")]
pub struct BadPiece(pub u32);

/// A block that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a block that was not asked for")]
pub struct Stray;

/// See the module documentation.
#[derive(Debug)]
pub struct Assembly {
    piece: Piece,
    /// Number of the first block in the piece.
    first: u32,
    /// Whether this is all of the piece, so that its hash can be looked at.
    whole: bool,
    blocks: Vec<Option<Bytes>>,
    missing: usize,
    /// Blocks hashed so far.
    hashed: usize,
    sha1: Sha1,
    leaves: Vec<Hash>,
}

impl Assembly {
    /// Nothing of `piece` is there yet.
    #[must_use]
    pub fn new(piece: Piece) -> Self {
        let all = 0..piece.length.div_ceil(BLOCK);
        Self { whole: true, ..Self::part(piece, all) }
    }

    /// Blocks `numbers` of `piece` alone, whatever their bytes are.
    #[must_use]
    pub fn part(piece: Piece, numbers: Range<u32>) -> Self {
        let numbers = numbers.start..numbers.end.min(piece.length.div_ceil(BLOCK));
        let (first, missing) = (numbers.start, numbers.len());
        let (blocks, leaves) = (vec![None; missing], Vec::new());
        Self { piece, first, whole: false, blocks, missing, hashed: 0, sha1: Sha1::new(), leaves }
    }

    /// The piece.
    #[must_use]
    pub const fn piece(&self) -> &Piece {
        &self.piece
    }

    /// Numbers of its blocks in the piece.
    #[must_use]
    pub fn numbers(&self) -> Range<u32> {
        self.first..self.first.saturating_add(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX))
    }

    /// The bytes of the file it brings.
    #[must_use]
    pub fn content(&self) -> Option<Span> {
        let Range { start, end } = self.numbers();
        let (from, to) = (u64::from(start) * u64::from(BLOCK), u64::from(end) * u64::from(BLOCK));
        let (skip, content) = (u64::from(self.piece.skip), self.piece.content);
        let at = |byte: u64| content.start() + byte.saturating_sub(skip).min(content.len());
        Span::new(at(from), at(to))
    }

    /// Begin and length of block `number` in the piece, bytes.
    #[must_use]
    pub fn block(&self, number: u32) -> (u32, u32) {
        let begin = number.saturating_mul(BLOCK);
        (begin, self.piece.length.saturating_sub(begin).min(BLOCK))
    }

    /// Whether block `number` is there.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.place(number).and_then(|place| self.blocks.get(place)).is_some_and(Option::is_some)
    }

    /// Whether all of it is there.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Bytes that are there.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.blocks.iter().flatten().map(|block| block.len() as u64).sum()
    }

    /// Takes in the bytes at `begin`. Whether the piece is complete now; a block that is there already changes nothing.
    ///
    /// # Errors
    /// [`Stray`] when no block of this piece begins there or its length is another.
    pub fn put(&mut self, begin: u32, bytes: Bytes) -> Result<bool, Stray> {
        let number = begin / BLOCK;
        if self.block(number) != (begin, u32::try_from(bytes.len()).unwrap_or(u32::MAX)) || bytes.is_empty() {
            return Err(Stray);
        }
        let block = self.place(number).and_then(|place| self.blocks.get_mut(place)).ok_or(Stray)?;
        if block.is_none() {
            *block = Some(bytes);
            self.missing -= 1;
            self.hash();
        }
        Ok(self.missing == 0)
    }

    fn place(&self, number: u32) -> Option<usize> {
        number.checked_sub(self.first).map(|place| place as usize)
    }

    fn hash(&mut self) {
        while self.whole
            && let Some(Some(block)) = self.blocks.get(self.hashed)
        {
            match self.piece.proof {
                Proof::Sha1(_) => self.sha1.update(block),
                Proof::Merkle { .. } => self.leaves.push(Sha256::digest(block).into()),
            }
            self.hashed += 1;
        }
    }

    /// The file's bytes of the complete piece or part, in order.
    ///
    /// # Errors
    /// [`BadPiece`] when the piece is not what it should be, or not complete.
    pub fn finish(mut self) -> Result<Vec<Bytes>, BadPiece> {
        let bad = BadPiece(self.piece.index);
        if self.missing > 0 {
            return Err(bad);
        }
        let right = !self.whole || self.judge();
        if !right {
            return Err(bad);
        }
        let Some(kept) = self.content() else { return Ok(Vec::new()) };
        let begin = u64::from(self.first) * u64::from(BLOCK);
        let mut skip = usize::try_from(u64::from(self.piece.skip).saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut left = usize::try_from(kept.len()).unwrap_or(usize::MAX);
        let mut content = Vec::with_capacity(self.blocks.len());
        for mut block in self.blocks.into_iter().flatten() {
            let cut = skip.min(block.len());
            skip -= cut;
            drop(block.split_to(cut));
            block.truncate(left);
            left -= block.len();
            if !block.is_empty() {
                content.push(block);
            }
        }
        Ok(content)
    }

    /// Whether the complete piece has its hash.
    fn judge(&mut self) -> bool {
        match self.piece.proof {
            Proof::Sha1(wanted) => {
                let mut pad = (self.piece.hashed - self.piece.length) as usize;
                while pad > 0 {
                    let part = pad.min(ZEROS.len());
                    self.sha1.update(&ZEROS[..part]);
                    pad -= part;
                }
                <[u8; 20]>::from(std::mem::take(&mut self.sha1).finalize()) == wanted
            }
            Proof::Merkle { root, blocks } => merkle::root(std::mem::take(&mut self.leaves), blocks, [0; 32]) == root,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use videocloud_protocol::torrent::Info;
    use videocloud_protocol::torrent::bencode::{Value, dict};

    use super::super::plan::Plan;
    use super::*;

    /// A v1 torrent over `lengths`, a pad behind each file when `pads`, and the stream it is made of.
    fn torrent(lengths: &[u16], piece: usize, pads: bool) -> (Info, Vec<u8>) {
        let (mut stream, mut files) = (Vec::new(), Vec::new());
        for (at, &length) in lengths.iter().enumerate() {
            let name = format!("f{at}");
            files.push((name, i64::from(length), false));
            stream.extend((0..length).map(|byte| (byte as usize * 7 + at) as u8));
            let pad = stream.len().next_multiple_of(piece) - stream.len();
            if pads && pad > 0 && at + 1 < lengths.len() {
                files.push((format!("pad{at}"), pad as i64, true));
                stream.resize(stream.len() + pad, 0);
            }
        }
        let entry = |(name, length, pad): &(String, i64, bool)| {
            let path = Value::List(vec![Value::Bytes(Box::leak(name.clone().into_boxed_str()).as_bytes())]);
            let attributes = Value::Bytes(if *pad { b"p" } else { b"" });
            dict([("length", Value::Int(*length)), ("path", path), ("attr", attributes)])
        };
        let hashes: Vec<u8> = stream.chunks(piece).flat_map(Sha1::digest).collect();
        let info = dict([
            ("name", Value::Bytes(b"t")),
            ("piece length", Value::Int(piece as i64)),
            ("pieces", Value::Bytes(&hashes)),
            ("files", Value::List(files.iter().map(entry).collect())),
        ]);
        (Info::parse(info.encode().into()).unwrap(), stream)
    }

    proptest! {
        #[test]
        fn a_file_is_put_together_from_its_pieces(
            lengths in proptest::collection::vec(1_u16.., 1..6), which in any::<prop::sample::Index>(), pads: bool,
            shift in 10_u32..17, damage: bool, backwards: bool,
        ) {
            let (info, stream) = torrent(&lengths, 1 << shift, pads);
            let which = which.index(lengths.len());
            let plan = Plan::new(Arc::new(info), which, None).unwrap();
            let file = plan.file().clone();
            let mut found = Vec::new();
            for index in plan.pieces() {
                let piece = plan.piece(index).unwrap();
                let begin = index as usize * (1 << shift);
                let mut assembly = Assembly::new(piece);
                let mut numbers: Vec<u32> = assembly.numbers().collect();
                if backwards {
                    numbers.reverse();
                }
                for (turn, number) in numbers.into_iter().enumerate() {
                    let (from, length) = assembly.block(number);
                    let at = begin + from as usize;
                    let mut bytes = stream[at..at + length as usize].to_vec();
                    bytes[0] ^= u8::from(damage && turn == 0);
                    let complete = assembly.put(from, bytes.into()).unwrap();
                    prop_assert_eq!(complete, turn as u32 + 1 == assembly.numbers().end);
                }
                match assembly.finish() {
                    Ok(content) if !damage => {
                        let content = content.concat();
                        prop_assert_eq!(content.len() as u64, piece.content.len());
                        prop_assert_eq!(piece.content.start(), found.len() as u64);
                        found.extend(content);
                    }
                    Err(bad) if damage => prop_assert_eq!(bad, BadPiece(index)),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let wanted = &stream[file.offset as usize..file.end() as usize];
            prop_assert!(damage || found == wanted);
        }
    }

    proptest! {
        #[test]
        fn parts_bring_what_the_whole_would(
            lengths in proptest::collection::vec(1_u16.., 1..6), which in any::<prop::sample::Index>(), parts in 1_u32..5,
        ) {
            let (info, stream) = torrent(&lengths, 1 << 17, false);
            let plan = Plan::new(Arc::new(info), which.index(lengths.len()), None).unwrap();
            let mut found = Vec::new();
            for index in plan.pieces() {
                let piece = plan.piece(index).unwrap();
                for first in (0..piece.length.div_ceil(BLOCK)).step_by(parts as usize) {
                    let mut part = Assembly::part(piece, first..first + parts);
                    for number in part.numbers() {
                        let (from, length) = part.block(number);
                        let at = index as usize * (1 << 17) + from as usize;
                        part.put(from, Bytes::copy_from_slice(&stream[at..at + length as usize])).unwrap();
                    }
                    if let Some(content) = part.content() {
                        prop_assert_eq!(content.start(), found.len() as u64);
                        found.extend(part.finish().unwrap().concat());
                        prop_assert_eq!(content.end(), found.len() as u64);
                    }
                }
            }
            prop_assert!(found == stream[plan.file().offset as usize..plan.file().end() as usize]);
        }
    }

    #[test]
    fn strays_are_refused() {
        let (info, _) = torrent(&[40_000], 1 << 15, false);
        let piece = Plan::new(Arc::new(info), 0, None).unwrap().piece(0).unwrap();
        let mut assembly = Assembly::new(piece);
        for (begin, length) in [(1, 16_384), (0, 16_383), (0, 0), (32_768, 16_384), (u32::MAX, 1)] {
            assert_eq!(assembly.put(begin, vec![0; length].into()), Err(Stray), "{begin} {length}");
        }
        assert_eq!(assembly.finish().unwrap_err(), BadPiece(0));
    }
}
