//! The read cache: blocks of what is asked for again and again, kept in memory within a bound, whichever store they come from.
//!
//! A block of object storage is kept when it was read. One of a file is kept when it is asked for a second time: the page cache
//! already has it, so only blocks in demand are worth the memory, where they save the copy from there.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::library::Key;

/// Bytes of a block; the last of a blob is shorter.
pub const BLOCK: u64 = 256 << 10;
/// Recent first demands that are remembered.
const REMEMBERED: usize = 4096;
/// Memory of an entry beside its bytes.
const ENTRY: u64 = 128;

/// One block of one blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BlockKey {
    blob: Arc<Key>,
    index: u64,
}

/// Counts bytes.
#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<BlockKey, Bytes> for ByLength {
    fn weight(&self, _: &BlockKey, block: &Bytes) -> u64 {
        block.len() as u64 + ENTRY
    }
}

/// The cache; clones share it.
#[derive(Debug, Clone)]
pub struct Blocks(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    kept: Cache<BlockKey, Bytes, ByLength>,
    /// Hashes of blocks that were asked for once, each in the place its own bits say.
    asked: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Blocks {
    /// Keeps up to `budget` bytes; 0 keeps nothing.
    #[must_use]
    pub fn new(budget: u64) -> Self {
        if budget < BLOCK {
            return Self(None);
        }
        let blocks = usize::try_from(budget / BLOCK).unwrap_or(usize::MAX);
        Self(Some(Arc::new(Shared {
            kept: Cache::with_weighter(blocks, budget, ByLength),
            asked: std::iter::repeat_with(AtomicU64::default).take(REMEMBERED).collect(),
            hasher: RandomState::new(),
        })))
    }

    /// Bytes kept now.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.kept.weight())
    }

    /// Block `index` of a blob, if it is kept.
    pub(super) fn get(&self, blob: &Arc<Key>, index: u64) -> Option<Bytes> {
        self.0.as_ref()?.kept.get(&BlockKey { blob: Arc::clone(blob), index })
    }

    /// Keeps block `index` of a blob.
    pub(super) fn keep(&self, blob: &Arc<Key>, index: u64, block: Bytes) {
        if let Some(shared) = &self.0 {
            shared.kept.insert(BlockKey { blob: Arc::clone(blob), index }, block);
        }
    }

    /// Whether the block was asked for before, lately: from now on it was.
    pub(super) fn is_in_demand(&self, blob: &Arc<Key>, index: u64) -> bool {
        let Some(shared) = &self.0 else { return false };
        // Zero means a free place.
        let hash = shared.hasher.hash_one((blob, index)) | 1;
        let place = usize::try_from(hash >> 32).unwrap_or_default() % REMEMBERED;
        shared.asked[place].swap(hash, Ordering::Relaxed) == hash
    }
}

#[cfg(test)]
mod tests {
    use videocloud_protocol::ids::ContentId;

    use super::*;

    fn blob(n: u8) -> Arc<Key> {
        Arc::new(Key::Content(ContentId::from_bytes([n; 32])))
    }

    #[test]
    fn a_block_is_found_under_its_own_blob_and_index() {
        let blocks = Blocks::new(4 * BLOCK);
        assert_eq!(blocks.get(&blob(1), 3), None);
        blocks.keep(&blob(1), 3, Bytes::from_static(b"abc"));
        assert_eq!(blocks.get(&blob(1), 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!((blocks.get(&blob(1), 2), blocks.get(&blob(2), 3)), (None, None));
    }

    #[test]
    fn the_second_demand_counts_and_the_bound_holds() {
        let blocks = Blocks::new(4 * BLOCK);
        assert!(!blocks.is_in_demand(&blob(1), 0));
        assert!(blocks.is_in_demand(&blob(1), 0));
        for index in 0..100 {
            blocks.keep(&blob(1), index, Bytes::from(vec![0; 256 << 10]));
            assert!(blocks.weight() <= 4 * BLOCK);
        }
        assert!(blocks.weight() > 0);
        let none = Blocks::new(0);
        none.keep(&blob(1), 0, Bytes::from_static(b"x"));
        assert!(none.get(&blob(1), 0).is_none());
        assert!(!none.is_in_demand(&blob(1), 0) && !none.is_in_demand(&blob(1), 0));
    }
}
