//! The body of an HTTP/1.1 answer whose length is said: read straight off the connection into blocks that are used again. hyper reads
//! the head; what it would do with such a body costs a new buffer for each read and a hand-over for each buffer.
//!
//! Bodies in chunks, bodies that end with the connection, and HTTP/2 stay with hyper.

use std::collections::VecDeque;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::connect::Io;

/// Bytes of a block.
const BLOCK: usize = 512 << 10;
/// A block with less room than this is full.
const LEAST_ROOM: usize = 16 << 10;
/// Blocks that are kept to be used again once nobody holds bytes of them.
const MOST_SPENT: usize = 32;

/// A body that is being read.
pub(super) struct Plain {
    io: Box<dyn Io>,
    /// Read together with the head.
    front: VecDeque<Bytes>,
    /// Bytes still to be handed out.
    remaining: u64,
    blocks: Blocks,
    /// The server sent more than it said: the connection is of no more use.
    overfull: bool,
}

impl Plain {
    /// The body of `length` bytes, of which `front` came already.
    pub(super) fn new(io: Box<dyn Io>, front: VecDeque<Bytes>, length: u64, blocks: Blocks) -> Self {
        Self { io, front, remaining: length, blocks, overfull: false }
    }

    /// The next bytes; `None` behind the last. Safe to drop and call again.
    ///
    /// # Errors
    /// The connection broke, or ended before the body did.
    pub(super) async fn read(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(mut bytes) = self.front.pop_front() {
            let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
            self.overfull |= bytes.len() > wanted;
            bytes.truncate(wanted);
            if !bytes.is_empty() {
                self.remaining -= bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
        if self.remaining == 0 {
            return Ok(None);
        }
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let block = self.blocks.with_room();
        if self.io.read_buf(&mut block.limit(most)).await? == 0 {
            let message = format!("the connection ended {} bytes before the end of the answer", self.remaining);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let bytes = block.split().freeze();
        self.remaining -= bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// The connection and the blocks, if the next answer may come over it.
    pub(super) fn into_rest(self) -> (Option<Box<dyn Io>>, Blocks) {
        let clean = self.remaining == 0 && self.front.is_empty() && !self.overfull;
        (clean.then_some(self.io), self.blocks)
    }
}

/// Memory that bytes are read into, again and again.
#[derive(Default)]
pub(super) struct Blocks {
    current: Option<BytesMut>,
    /// Full ones, the oldest first.
    spent: VecDeque<BytesMut>,
}

impl Blocks {
    /// An empty buffer with room.
    fn with_room(&mut self) -> &mut BytesMut {
        let block = match self.current.take() {
            Some(block) if block.capacity() >= LEAST_ROOM => block,
            full => {
                self.spent.extend(full);
                self.fresh()
            }
        };
        self.current.insert(block)
    }

    /// The oldest block if nobody holds bytes of it any more, or a new one.
    fn fresh(&mut self) -> BytesMut {
        if let Some(mut oldest) = self.spent.pop_front() {
            if oldest.try_reclaim(BLOCK) {
                return oldest;
            }
            if self.spent.len() < MOST_SPENT {
                self.spent.push_front(oldest);
            }
        }
        BytesMut::with_capacity(BLOCK)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn plain(front: &[&'static [u8]], rest: &[u8], length: u64) -> Plain {
        let (io, mut far) = tokio::io::duplex(1 << 20);
        tokio::io::AsyncWriteExt::write_all(&mut far, rest).now_or_never().unwrap().unwrap();
        let front = front.iter().map(|bytes| Bytes::from_static(bytes)).collect();
        Plain::new(Box::new(io), front, length, Blocks::default())
    }

    async fn all(plain: &mut Plain) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = plain.read().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn front_and_rest_are_one_body_of_the_length_said() {
        let mut whole = plain(&[b"ab", b"", b"c"], b"defHTTP/1.1 200", 6);
        assert_eq!(all(&mut whole).await.unwrap(), b"abcdef");
        assert!(whole.into_rest().0.is_some(), "what follows is the next answer's");
        let mut short = plain(&[b"ab"], b"c", 4);
        assert_eq!(all(&mut short).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(short.into_rest().0.is_none());
        let mut overfull = plain(&[b"abc"], b"", 2);
        assert_eq!(all(&mut overfull).await.unwrap(), b"ab");
        assert!(
            overfull.into_rest().0.is_none(),
            "who sends more than he says is not asked again on the same connection"
        );
    }

    #[tokio::test]
    async fn blocks_are_used_again_only_when_nobody_holds_their_bytes() {
        let mut blocks = Blocks::default();
        let fill = |blocks: &mut Blocks, byte: u8| {
            let block = blocks.with_room();
            block.put_bytes(byte, block.capacity());
            block.split().freeze()
        };
        let held: Vec<Bytes> = (0..40).map(|byte| fill(&mut blocks, byte)).collect();
        assert!(
            held.iter().zip(0..).all(|(bytes, byte)| bytes.len() == BLOCK && bytes.iter().all(|each| *each == byte))
        );
        assert!(blocks.spent.len() <= MOST_SPENT);
        let before: Vec<*const u8> = held.iter().map(|bytes| bytes.as_ptr()).collect();
        drop(held);
        let again = fill(&mut blocks, 77);
        assert!(before.contains(&again.as_ptr()));
    }
}
