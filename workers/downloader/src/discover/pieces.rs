//! Hashes of the pieces of a content, and what they prove.
//!
//! Pieces are cut in the space of the torrent or Metalink, in which the content begins at some offset: the first and the last
//! piece of a file of a multi-file torrent reach into its neighbours and cannot be judged by the file's bytes alone.

use sha2::Digest as _;

use crate::schedule::Span;

/// Most pieces a content may be cut into: 4 Mi hashes are at most 128 MiB.
pub const MAX_PIECES: u64 = 4 << 20;
/// Leaf of a BitTorrent v2 tree, bytes (BEP 52).
const LEAF: usize = 16 << 10;

/// One hash per piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceHashes {
    /// SHA-1 of the piece (BitTorrent v1, Metalink).
    Sha1(Vec<[u8; 20]>),
    /// SHA-256 of the piece (Metalink).
    Sha256(Vec<[u8; 32]>),
    /// Root of the SHA-256 tree over the piece's 16 KiB leaves (BitTorrent v2, BEP 52).
    Merkle(Vec<[u8; 32]>),
}

impl PieceHashes {
    /// Number of pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sha1(hashes) => hashes.len(),
            Self::Sha256(hashes) | Self::Merkle(hashes) => hashes.len(),
        }
    }

    /// True without any piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why hashes cannot be those of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PiecesError {
    /// A piece length of nothing.
    #[error("failed to use piece hashes: a piece has no bytes")]
    NoLength,
    /// More hashes than [`MAX_PIECES`].
    #[error("failed to use piece hashes: more than {MAX_PIECES} pieces")]
    TooMany,
    /// Too few or too many hashes for the size.
    #[error("failed to use piece hashes: {found} hashes where the size needs {needed}")]
    Count {
        /// Hashes there are.
        found: u64,
        /// Hashes there should be.
        needed: u64,
    },
    /// BitTorrent v2 pieces are powers of two of at least 16 KiB.
    #[error("failed to use piece hashes: no valid piece length for a hash tree")]
    TreeLength,
}

/// What lies behind the content in the space that was cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the last piece is just shorter.
    End,
    /// So many zeros (a padding file, BEP 47), and then another file. 0 when another file follows at once.
    Zeros(u64),
}

/// The pieces of a content of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    length: u64,
    size: u64,
    /// Bytes of the first piece that lie before the content.
    before: u64,
    tail: Tail,
    hashes: PieceHashes,
    fingerprint: String,
}

impl Pieces {
    /// Pieces of `length` bytes of a content of `size` bytes. `before` is how many bytes of the first piece lie before the
    /// content, `tail` what follows it. Hashes begin with the piece that holds the content's
    /// first byte and end with the one that holds its last.
    ///
    /// # Errors
    /// [`PiecesError`].
    pub fn new(length: u64, size: u64, before: u64, tail: Tail, hashes: PieceHashes) -> Result<Self, PiecesError> {
        if length == 0 || before >= length {
            return Err(PiecesError::NoLength);
        }
        let found = hashes.len() as u64;
        if found > MAX_PIECES {
            return Err(PiecesError::TooMany);
        }
        let needed = before.saturating_add(size).div_ceil(length);
        if found != needed {
            return Err(PiecesError::Count { found, needed });
        }
        let tree = matches!(hashes, PieceHashes::Merkle(_));
        if tree && (length < LEAF as u64 || !length.is_power_of_two() || before != 0) {
            return Err(PiecesError::TreeLength);
        }
        let fingerprint = fingerprint([length, size, before], &hashes);
        Ok(Self { length, size, before, tail, hashes, fingerprint })
    }

    /// Length of a piece, bytes; the last may be shorter.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Size of the content, bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of pieces.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The bytes of the content that lie in piece `index`.
    #[must_use]
    pub fn span(&self, index: u64) -> Option<Span> {
        let start = index.checked_mul(self.length)?;
        let end = start.saturating_add(self.length).saturating_sub(self.before).min(self.size);
        Span::new(start.saturating_sub(self.before), end)
    }

    /// The piece that holds byte `offset` of the content.
    #[must_use]
    pub fn at(&self, offset: u64) -> u64 {
        offset.saturating_add(self.before) / self.length
    }

    /// Whether the content's bytes alone decide piece `index`: it reaches into no neighbour, or only into padding.
    #[must_use]
    pub fn decidable(&self, index: u64) -> bool {
        if matches!(self.hashes, PieceHashes::Merkle(_)) {
            return index < self.count();
        }
        let begins_inside = index > 0 || self.before == 0;
        index < self.count() && begins_inside && (index + 1 < self.count() || self.ends_whole())
    }

    fn ends_whole(&self) -> bool {
        let last = (self.before + self.size) % self.length;
        match self.tail {
            Tail::End => true,
            Tail::Zeros(zeros) => last == 0 || zeros >= self.length - last,
        }
    }

    /// Whether `bytes`, the content's bytes of piece `index`, are right. False for a piece that is not decidable.
    #[must_use]
    pub fn proves(&self, index: u64, bytes: &[u8]) -> bool {
        self.check(index).is_some_and(|mut check| {
            check.update(bytes);
            check.holds()
        })
    }

    /// A short name of these very hashes.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Bytes of the first piece that lie before the content.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// A running check of piece `index`; `None` when it is not decidable.
    #[must_use]
    pub fn check(&self, index: u64) -> Option<Check> {
        let span = self.span(index).filter(|_| self.decidable(index))?;
        let at = usize::try_from(index).ok()?;
        let wanted = match &self.hashes {
            PieceHashes::Sha1(hashes) => Wanted::Sha1(*hashes.get(at)?, sha1::Sha1::new()),
            PieceHashes::Sha256(hashes) => Wanted::Sha256(*hashes.get(at)?, sha2::Sha256::new()),
            PieceHashes::Merkle(hashes) => {
                // A file of one piece has a tree no larger than it needs.
                let whole = if self.count() == 1 { self.size } else { self.length };
                let leaves = usize::try_from(whole.div_ceil(LEAF as u64)).ok()?.next_power_of_two();
                let tree = Tree { leaves, layer: Vec::new(), leaf: sha2::Sha256::new(), filled: 0 };
                Wanted::Merkle(*hashes.get(at)?, Box::new(tree))
            }
        };
        let padding = match self.tail {
            Tail::End => 0,
            Tail::Zeros(_) => {
                let before = if index == 0 { self.before } else { 0 };
                self.length - before - span.len()
            }
        };
        Some(Check { wanted, length: span.len(), seen: 0, padding })
    }
}

fn fingerprint(cut: [u64; 3], hashes: &PieceHashes) -> String {
    let mut hasher = sha2::Sha256::new();
    cut.iter().for_each(|number| hasher.update(number.to_be_bytes()));
    match hashes {
        PieceHashes::Sha1(hashes) => hashes.iter().for_each(|hash| hasher.update(hash)),
        PieceHashes::Sha256(hashes) | PieceHashes::Merkle(hashes) => {
            hashes.iter().for_each(|hash| hasher.update(hash));
        }
    }
    hex::encode(hasher.finalize())
}

enum Wanted {
    Sha1([u8; 20], sha1::Sha1),
    Sha256([u8; 32], sha2::Sha256),
    Merkle([u8; 32], Box<Tree>),
}

/// Leaves of one piece's tree as they come.
struct Tree {
    leaves: usize,
    layer: Vec<[u8; 32]>,
    leaf: sha2::Sha256,
    filled: usize,
}

/// The check of one piece, fed in order of offset.
pub struct Check {
    wanted: Wanted,
    length: u64,
    seen: u64,
    /// Zeros to hash behind the content.
    padding: u64,
}

impl Check {
    /// Takes in the next bytes of the piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        match &mut self.wanted {
            Wanted::Sha1(_, hasher) => hasher.update(bytes),
            Wanted::Sha256(_, hasher) => hasher.update(bytes),
            Wanted::Merkle(_, tree) => tree.update(bytes),
        }
    }

    /// Whether all bytes of the piece came and are right.
    #[must_use]
    pub fn holds(mut self) -> bool {
        const ZEROS: [u8; 4096] = [0; 4096];
        if self.seen != self.length {
            return false;
        }
        if !matches!(self.wanted, Wanted::Merkle(..)) {
            let mut left = self.padding;
            while left > 0 {
                let now = left.min(ZEROS.len() as u64);
                self.update(&ZEROS[..usize::try_from(now).unwrap_or_default()]);
                left -= now;
            }
        }
        match self.wanted {
            Wanted::Sha1(wanted, hasher) => wanted == <[u8; 20]>::from(hasher.finalize()),
            Wanted::Sha256(wanted, hasher) => wanted == <[u8; 32]>::from(hasher.finalize()),
            Wanted::Merkle(wanted, tree) => wanted == tree.root(),
        }
    }
}

impl Tree {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(LEAF - self.filled));
            self.leaf.update(now);
            self.filled += now.len();
            if self.filled == LEAF {
                self.layer.push(self.leaf.finalize_reset().into());
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    fn root(mut self) -> [u8; 32] {
        if self.filled > 0 {
            self.layer.push(self.leaf.finalize().into());
        }
        join(self.layer, self.leaves)
    }
}

/// Root of the SHA-256 tree over `bytes` in 16 KiB leaves, filled up with zero hashes to `leaves` (a power of two).
#[must_use]
pub fn merkle_root(bytes: &[u8], leaves: usize) -> [u8; 32] {
    join(bytes.chunks(LEAF).map(|leaf| sha2::Sha256::digest(leaf).into()).collect(), leaves)
}

/// Root over a layer of hashes, filled up with zero hashes to `width`.
#[must_use]
fn join(mut layer: Vec<[u8; 32]>, width: usize) -> [u8; 32] {
    layer.resize(width.max(layer.len()).max(1).next_power_of_two(), [0; 32]);
    while layer.len() > 1 {
        layer = layer.chunks(2).map(|pair| sha2::Sha256::digest(pair.concat()).into()).collect();
    }
    layer.first().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sha1(bytes: &[u8]) -> [u8; 20] {
        sha1::Sha1::digest(bytes).into()
    }

    #[test]
    fn a_whole_file_ends_with_a_short_piece() {
        let bytes: Vec<u8> = (0..25).collect();
        let hashes = bytes.chunks(10).map(sha1).collect();
        let pieces = Pieces::new(10, 25, 0, Tail::End, PieceHashes::Sha1(hashes)).unwrap();
        for (index, piece) in bytes.chunks(10).enumerate() {
            assert!(pieces.proves(index as u64, piece));
            assert!(!pieces.proves(index as u64, &vec![9; piece.len()]));
        }
        assert_eq!((pieces.span(2), pieces.span(3)), (Span::new(20, 25), None));
        assert!(!pieces.proves(3, &[]));
    }

    #[test]
    fn a_file_in_the_middle_cannot_judge_the_pieces_it_shares() {
        // The file is bytes 7..28 of a torrent of 10-byte pieces; padding up to 30 follows it, or another file at once.
        let mut space = vec![1; 28];
        space.resize(30, 0);
        let hashes: Vec<_> = space.chunks(10).map(sha1).collect();
        let padded = Pieces::new(10, 21, 7, Tail::Zeros(2), PieceHashes::Sha1(hashes.clone())).unwrap();
        let spans: Vec<_> = (0..3).map(|index| padded.span(index).unwrap()).collect();
        assert_eq!(spans, [Span::new(0, 3).unwrap(), Span::new(3, 13).unwrap(), Span::new(13, 21).unwrap()]);
        assert_eq!([0, 1, 2].map(|index| padded.decidable(index)), [false, true, true]);
        assert!(
            padded.proves(1, &space[10..20]) && padded.proves(2, &space[20..28]) && !padded.proves(0, &space[7..10])
        );
        let neighbour = Pieces::new(10, 21, 7, Tail::Zeros(0), PieceHashes::Sha1(hashes)).unwrap();
        assert_eq!([0, 1, 2].map(|index| neighbour.decidable(index)), [false, true, false]);
        assert_eq!([0, 2, 3, 12, 13, 20].map(|offset| neighbour.at(offset)), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn trees_of_version_two() {
        let leaf = |byte: u8| sha2::Sha256::digest(vec![byte; LEAF]).into();
        let pair = |a: [u8; 32], b: [u8; 32]| -> [u8; 32] { sha2::Sha256::digest([a, b].concat()).into() };
        let bytes: Vec<u8> = (0..3).flat_map(|byte| vec![byte; LEAF]).collect();
        // Two pieces of two leaves: the second lacks a leaf, whose hash is zeros.
        let hashes = vec![pair(leaf(0), leaf(1)), pair(leaf(2), [0; 32])];
        let pieces =
            Pieces::new(2 * LEAF as u64, bytes.len() as u64, 0, Tail::End, PieceHashes::Merkle(hashes)).unwrap();
        assert!(pieces.proves(0, &bytes[..2 * LEAF]) && pieces.proves(1, &bytes[2 * LEAF..]));
        assert_eq!(merkle_root(&bytes, 4), pair(pair(leaf(0), leaf(1)), pair(leaf(2), [0; 32])));
        // One piece: the tree is as large as the file needs, not as the piece.
        let small = PieceHashes::Merkle(vec![leaf(7)]);
        let small = Pieces::new(1 << 20, LEAF as u64, 0, Tail::End, small).unwrap();
        assert!(small.proves(0, &vec![7; LEAF]));
    }

    #[test]
    fn hashes_that_do_not_fit_are_refused() {
        let hashes = |count| PieceHashes::Sha1(vec![[0; 20]; count]);
        assert_eq!(Pieces::new(0, 10, 0, Tail::End, hashes(1)), Err(PiecesError::NoLength));
        assert!(matches!(Pieces::new(10, 11, 0, Tail::End, hashes(1)), Err(PiecesError::Count { .. })));
        assert!(matches!(Pieces::new(10, u64::MAX, 9, Tail::End, hashes(1)), Err(PiecesError::Count { .. })));
        let tree = PieceHashes::Merkle(vec![[0; 32]; 1]);
        assert_eq!(Pieces::new(10_000, 10, 0, Tail::End, tree), Err(PiecesError::TreeLength));
    }
}
