//! Merkle trees of v2 torrents (BEP 52): SHA-256 over blocks of 16 KiB, one tree for each file.
//!
//! The leaves of a file's tree are its blocks, filled up with zero hashes to a power of two. The layer whose hashes stand for one
//! piece each is the piece layer; torrent files carry it, and peers are asked for it when only a magnet link is known.

use sha2::{Digest, Sha256};

/// Bytes of a leaf, and of the blocks that peers are asked for.
pub const BLOCK: usize = 16 << 10;

/// A node.
pub type Hash = [u8; 32];

/// Hash of a node over two others.
#[must_use]
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// Root over `width` nodes, a power of two: `nodes` first, then as many of `fill`.
#[must_use]
pub fn root(mut nodes: Vec<Hash>, width: usize, mut fill: Hash) -> Hash {
    let mut wide = width.max(1);
    while wide > 1 {
        if nodes.len() % 2 == 1 {
            nodes.push(fill);
        }
        nodes = nodes.chunks_exact(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        fill = parent(&fill, &fill);
        wide /= 2;
    }
    nodes.first().copied().unwrap_or(fill)
}

/// Root over the blocks of `data`, filled up to `blocks` leaves (a power of two).
#[must_use]
pub fn root_of_bytes(data: &[u8], blocks: usize) -> Hash {
    root(data.chunks(BLOCK).map(|block| Sha256::digest(block).into()).collect(), blocks, [0; 32])
}

/// Hash of the node over `blocks` (a power of two) leaves behind the end of a file.
#[must_use]
pub fn filler(blocks: usize) -> Hash {
    root(Vec::new(), blocks, [0; 32])
}

/// Leaves below the node that stands for one piece of a file of `length` bytes: those of a piece, or of the whole tree when the
/// file is shorter than a piece.
#[must_use]
pub fn blocks_of_piece(length: u64, piece_length: u64) -> usize {
    let blocks = length.min(piece_length).div_ceil(BLOCK as u64).max(1);
    let whole = if length > piece_length { piece_length / BLOCK as u64 } else { blocks };
    usize::try_from(whole.next_power_of_two()).unwrap_or(usize::MAX)
}

/// Whether `layer`, one hash for each piece, is the piece layer below `file_root` of a file of more than one piece.
#[must_use]
pub fn layer_matches(layer: &[Hash], piece_length: u64, file_root: &Hash) -> bool {
    let blocks = usize::try_from(piece_length / BLOCK as u64).unwrap_or(usize::MAX);
    !layer.is_empty() && root(layer.to_vec(), layer.len().next_power_of_two(), filler(blocks)) == *file_root
}

/// Whether `nodes`, a power of two of them from `index` on in one layer, lie below `file_root`, given the `uncles` on the way up
/// (lowest first).
#[must_use]
pub fn proves(nodes: &[Hash], index: usize, uncles: &[Hash], file_root: &Hash) -> bool {
    let width = nodes.len();
    if !width.is_power_of_two() || !index.is_multiple_of(width) {
        return false;
    }
    let mut place = index / width;
    let mut node = root(nodes.to_vec(), width, [0; 32]);
    for uncle in uncles {
        node = if place.is_multiple_of(2) { parent(&node, uncle) } else { parent(uncle, &node) };
        place /= 2;
    }
    place == 0 && node == *file_root
}

/// What proves `length` nodes from `index` on of a piece layer: the nodes, then uncles of `proofs` layers above, without those that the
/// nodes themselves give (BEP 52). `None` for a question that has no answer.
#[must_use]
pub fn answer(layer: &[Hash], piece_length: u64, (index, length, proofs): (usize, usize, usize)) -> Option<Vec<Hash>> {
    let width = layer.len().next_power_of_two();
    let fits = length.is_power_of_two() && length >= 2 && length <= width.max(2) && index.is_multiple_of(length);
    if layer.is_empty() || !fits || index >= width {
        return None;
    }
    let filler = filler(usize::try_from(piece_length).ok()? / BLOCK);
    let mut row = layer.to_vec();
    row.resize(width.max(2), filler);
    let mut answer = row.get(index..index + length)?.to_vec();
    let (mut place, mut height) = (index, 0);
    while row.len() > 1 && height <= proofs {
        if height >= length.ilog2() as usize {
            answer.push(row[place ^ 1]);
        }
        row = row.chunks_exact(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        place /= 2;
        height += 1;
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(mut nodes: Vec<Hash>, width: usize, fill: Hash) -> Hash {
        nodes.resize(width, fill);
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        }
        nodes[0]
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_filled_tree(count in 0_usize..40, extra in 0_u32..3) {
            let nodes: Vec<Hash> = (0..count).map(|at| Sha256::digest(at.to_be_bytes()).into()).collect();
            let width = count.max(1).next_power_of_two() << extra;
            prop_assert_eq!(root(nodes.clone(), width, [7; 32]), naive(nodes, width, [7; 32]));
        }

        #[test]
        fn a_part_of_a_layer_is_proven_by_its_uncles(height in 1_u32..7, part in 0_u32..7, place in 0_usize..64) {
            let part = part.min(height);
            let nodes: Vec<Hash> = (0..1_usize << height).map(|at| Sha256::digest(at.to_be_bytes()).into()).collect();
            let top = root(nodes.clone(), nodes.len(), [0; 32]);
            let width = 1_usize << part;
            let index = place % (nodes.len() / width) * width;
            let mut layer: Vec<Hash> = nodes.chunks(width).map(|part| root(part.to_vec(), width, [0; 32])).collect();
            let (mut at, mut uncles) = (index / width, Vec::new());
            while layer.len() > 1 {
                uncles.push(layer[at ^ 1]);
                layer = layer.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
                at /= 2;
            }
            let mut asked = nodes[index..index + width].to_vec();
            prop_assert!(proves(&asked, index, &uncles, &top));
            asked[0][0] ^= 1;
            prop_assert!(!proves(&asked, index, &uncles, &top));
        }
    }

    proptest! {
        #[test]
        fn answers_prove_what_was_asked(count in 2_usize..40, part in 1_u32..6, place in 0_usize..40) {
            let layer: Vec<Hash> = (0..count).map(|at| Sha256::digest(at.to_be_bytes()).into()).collect();
            let height = count.next_power_of_two().ilog2();
            let width = 1_usize << part.min(height);
            let index = place % (count.next_power_of_two() / width) * width;
            let top = root(layer.clone(), count.next_power_of_two(), filler(4));
            // As many layers as lead to the root.
            let proofs = if height > width.ilog2() { height as usize - 1 } else { 0 };
            let all = answer(&layer, 4 * BLOCK as u64, (index, width, proofs));
            let all = all.unwrap_or_default();
            prop_assert_eq!(all.len(), width + (height - width.ilog2()) as usize);
            prop_assert!(proves(&all[..width], index, &all[width..], &top));
        }
    }

    #[test]
    fn senseless_questions_have_no_answer() {
        let layer = [[1; 32]; 5];
        for ask in [(0, 3, 0), (1, 2, 0), (8, 2, 0), (0, 16, 0), (0, 1, 0), (0, 0, 0), (usize::MAX - 1, 2, 0)] {
            assert_eq!(answer(&layer, 1 << 18, ask), None, "{ask:?}");
        }
        assert_eq!(answer(&[], 1 << 18, (0, 2, 0)), None);
    }

    #[test]
    fn leaves_of_a_piece() {
        const MIB: u64 = 1 << 20;
        assert_eq!(blocks_of_piece(1, MIB), 1);
        assert_eq!(blocks_of_piece(3 * BLOCK as u64, MIB), 4);
        assert_eq!(blocks_of_piece(MIB, MIB), 64);
        assert_eq!(blocks_of_piece(MIB + 1, MIB), 64);
    }
}
