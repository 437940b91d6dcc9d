//! The read cache: blocks of what is asked for again and again, kept in memory within a bound, whichever store they come from.
//!
//! A block of object storage is kept when it was read. One of a file is kept when it is asked for a second time: the page cache
//! already has it, so only blocks in demand are worth the memory, where they save the copy from there.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
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
pub(super) struct BlockKey {
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

    /// The key of the block that `offset` lies in.
    pub(super) fn key(blob: &Arc<Key>, offset: u64) -> BlockKey {
        BlockKey { blob: Arc::clone(blob), index: offset / BLOCK }
    }

    /// At most `wanted` bytes from `offset` on, if their block is kept.
    pub(super) fn get(&self, key: &BlockKey, offset: u64, wanted: usize) -> Option<Bytes> {
        let block = self.0.as_ref()?.kept.get(key)?;
        let from = usize::try_from(offset % BLOCK).ok().filter(|from| *from < block.len())?;
        Some(block.slice(from..block.len().min(from.saturating_add(wanted))))
    }

    /// Keeps a block.
    pub(super) fn keep(&self, key: BlockKey, block: Bytes) {
        if let Some(shared) = &self.0 {
            shared.kept.insert(key, block);
        }
    }

    /// Whether the block was asked for before, lately: from now on it was.
    pub(super) fn is_in_demand(&self, key: &BlockKey) -> bool {
        let Some(shared) = &self.0 else { return false };
        // Zero means a free place.
        let hash = shared.hasher.hash_one(key) | 1;
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
    fn bytes_come_from_the_block_they_lie_in() {
        let blocks = Blocks::new(4 * BLOCK);
        let key = Blocks::key(&blob(1), BLOCK + 7);
        assert_eq!(blocks.get(&key, BLOCK + 7, 3), None);
        blocks.keep(key.clone(), Bytes::from_static(b"0123456789abc"));
        assert_eq!(blocks.get(&key, BLOCK + 7, 3).as_deref(), Some(&b"789"[..]));
        assert_eq!(blocks.get(&key, BLOCK + 11, 30).as_deref(), Some(&b"bc"[..]));
        assert_eq!(blocks.get(&key, BLOCK + 13, 30), None, "the blob ends before");
        assert_eq!(blocks.get(&Blocks::key(&blob(2), BLOCK + 7), BLOCK + 7, 3), None);
    }

    #[test]
    fn the_second_demand_counts_and_the_bound_holds() {
        let blocks = Blocks::new(4 * BLOCK);
        let key = Blocks::key(&blob(1), 0);
        assert!(!blocks.is_in_demand(&key));
        assert!(blocks.is_in_demand(&key));
        for index in 0..100 {
            blocks.keep(Blocks::key(&blob(1), index * BLOCK), Bytes::from(vec![0; 256 << 10]));
            assert!(blocks.weight() <= 4 * BLOCK);
        }
        assert!(blocks.weight() > 0);
        let none = Blocks::new(0);
        none.keep(key.clone(), Bytes::from_static(b"x"));
        assert!(none.get(&key, 0, 1).is_none() && !none.is_in_demand(&key) && !none.is_in_demand(&key));
    }
}
