//! Reused read buffers, with a bound on how much lies in connections that do not drain: the more does, the smaller the pieces.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

/// Sizes of pieces, bytes, largest first: the first while there is plenty, the last when memory is short.
const SIZES: [usize; 3] = [256 << 10, 64 << 10, 16 << 10];
/// Idle buffers kept of each size, in bytes.
const KEPT: usize = 16 << 20;

/// All buffers; clones share them.
#[derive(Debug, Clone)]
pub struct Buffers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    budget: usize,
    lent: AtomicUsize,
    idle: [Mutex<Vec<Box<[u8]>>>; SIZES.len()],
}

impl Buffers {
    /// Buffers that grow small as those lent out near `budget` bytes. Never refused: the number of connections bounds them.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self(Arc::new(Shared { budget, lent: AtomicUsize::new(0), idle: Default::default() }))
    }

    /// Most bytes that one piece should have now.
    #[must_use]
    pub fn piece(&self) -> usize {
        SIZES[self.0.class()]
    }

    /// Bytes lent out.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.0.lent.load(Ordering::Relaxed)
    }

    /// A buffer for a piece of up to `wanted` bytes; it may be shorter, never empty unless nothing is wanted.
    #[must_use]
    pub fn take(&self, wanted: usize) -> Buffer {
        // The smallest that holds it, or the largest that is to be had now.
        let fitting = SIZES.iter().rposition(|&size| size >= wanted).unwrap_or(0);
        let class = fitting.max(self.0.class());
        let size = SIZES[class];
        self.0.lent.fetch_add(size, Ordering::Relaxed);
        let idle = self.0.idle[class].lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = idle.unwrap_or_else(|| vec![0; size].into_boxed_slice());
        Buffer { bytes, class, length: wanted.min(size), shared: Arc::clone(&self.0) }
    }
}

impl Shared {
    fn class(&self) -> usize {
        let lent = self.lent.load(Ordering::Relaxed);
        if lent < self.budget / 2 {
            0
        } else if lent < self.budget {
            1
        } else {
            2
        }
    }
}

/// A buffer on loan; it goes back when dropped, also after it became [`Bytes`].
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    class: usize,
    length: usize,
    shared: Arc<Shared>,
}

impl Buffer {
    /// The part to fill.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Bytes it has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.length
    }

    /// The first `filled` bytes, as a body wants them.
    #[must_use]
    pub fn into_bytes(mut self, filled: usize) -> Bytes {
        self.length = filled.min(self.length);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let size = SIZES[self.class];
        self.shared.lent.fetch_sub(size, Ordering::Relaxed);
        let mut idle = self.shared.idle[self.class].lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT / size {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_shrink_as_loans_grow_and_come_back() {
        let buffers = Buffers::new(1 << 20);
        let held: Vec<_> = (0..2).map(|_| buffers.take(usize::MAX)).collect();
        assert_eq!((held[0].room(), buffers.lent()), (256 << 10, 512 << 10));
        assert_eq!(buffers.take(1 << 20).room(), 64 << 10);
        let more: Vec<_> = (0..8).map(|_| buffers.take(1 << 20)).collect();
        assert_eq!(buffers.take(1 << 20).room(), 16 << 10);
        assert_eq!(buffers.take(100).room(), 100);
        let bytes: Vec<_> = held.into_iter().chain(more).map(|buffer| buffer.into_bytes(5)).collect();
        assert!(bytes.iter().all(|bytes| bytes.len() == 5) && buffers.lent() >= 1 << 20);
        drop(bytes);
        assert_eq!(buffers.lent(), 0);
    }
}
