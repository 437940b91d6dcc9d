//! The body of an HTTP/1.1 answer whose length is said: read straight off the connection into blocks that are used again. hyper reads
//! the head; what it would do with such a body costs a new buffer for each read and a hand-over for each buffer.
//!
//! Bodies in chunks, bodies that end with the connection, and HTTP/2 stay with hyper.

use std::collections::VecDeque;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use tokio::io::AsyncReadExt;

use super::connect::Io;

/// What blocks begin at in memory and in the file, so that a disk can take their bytes from where they lie.
const PAGE: usize = 4 << 10;
/// Bytes of a block.
const BLOCK: usize = 512 << 10;
/// What is taken for one: its first byte lies as far behind a page's start as it does in the file.
const MEMORY: usize = BLOCK + 2 * PAGE;
/// Blocks that are kept to be used again once nobody holds bytes of them.
const MOST_SPENT: usize = 32;

/// A body that is being read.
pub(super) struct Plain {
    io: Box<dyn Io>,
    /// Read together with the head.
    front: VecDeque<Bytes>,
    /// Bytes still to be handed out.
    remaining: u64,
    /// Where the next of them belongs in the file.
    at: u64,
    blocks: Blocks,
    /// The server sent more than it said: the connection is of no more use.
    overfull: bool,
}

impl Plain {
    /// The body of `length` bytes, of which `front` came already; in the file they begin at `at`.
    pub(super) fn new(io: Box<dyn Io>, front: VecDeque<Bytes>, length: u64, at: u64, blocks: Blocks) -> Self {
        Self { io, front, remaining: length, at, blocks, overfull: false }
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
                return Ok(Some(self.hand_out(bytes)));
            }
        }
        if self.remaining == 0 {
            return Ok(None);
        }
        let block = self.blocks.with_room(self.at);
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(block.room);
        let memory = &mut block.memory;
        let room = most - memory.len();
        if self.io.read_buf(&mut memory.limit(room)).await? == 0 {
            let missing = self.remaining - memory.len() as u64;
            let message = format!("the connection ended {missing} bytes before the end of the answer");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        // What is there already fills the block. An end or an error will be met again.
        while memory.len() < most
            && let room = most - memory.len()
            && let Some(Ok(1..)) = self.io.read_buf(&mut memory.limit(room)).now_or_never()
        {}
        // Behind whole pages the beginning of one waits for its rest.
        let begun = usize::try_from((self.at + memory.len() as u64) % PAGE as u64).unwrap_or_default();
        let whole = if memory.len() < most && memory.len() > begun { memory.len() - begun } else { memory.len() };
        let bytes = memory.split_to(whole).freeze();
        block.room -= bytes.len();
        Ok(Some(self.hand_out(bytes)))
    }

    fn hand_out(&mut self, bytes: Bytes) -> Bytes {
        (self.remaining, self.at) = (self.remaining - bytes.len() as u64, self.at + bytes.len() as u64);
        bytes
    }

    /// The connection and the blocks, if the next answer may come over it.
    pub(super) fn into_rest(self) -> (Option<Box<dyn Io>>, Blocks) {
        let clean = self.remaining == 0 && self.front.is_empty() && !self.overfull;
        (clean.then_some(self.io), self.blocks.turned())
    }
}

/// Memory that bytes are read into, again and again.
#[derive(Default)]
pub(super) struct Blocks {
    current: Option<Block>,
    /// Full ones, the oldest first.
    spent: VecDeque<BytesMut>,
}

struct Block {
    /// Holds the beginning of a page at most: the rest of what was read is split off.
    memory: BytesMut,
    /// Bytes that still go into it.
    room: usize,
}

impl Blocks {
    /// A block with room, whose next byte is the one `at` that place in the file.
    fn with_room(&mut self, at: u64) -> &mut Block {
        let block = match self.current.take() {
            Some(block) if block.room > 0 => block,
            full => {
                self.spent.extend(full.map(|full| full.memory));
                let (mut memory, behind) = (self.fresh(), usize::try_from(at % PAGE as u64).unwrap_or_default());
                let page = PAGE - memory.spare_capacity_mut().as_ptr().addr() % PAGE;
                memory.put_bytes(0, page + behind);
                drop(memory.split());
                Block { memory, room: BLOCK - behind }
            }
        };
        self.current.insert(block)
    }

    /// The oldest block if nobody holds bytes of it any more, or a new one.
    fn fresh(&mut self) -> BytesMut {
        if let Some(mut oldest) = self.spent.pop_front() {
            if oldest.try_reclaim(MEMORY) {
                return oldest;
            }
            if self.spent.len() < MOST_SPENT {
                self.spent.push_front(oldest);
            }
        }
        BytesMut::with_capacity(MEMORY)
    }

    /// The rest of the block under way is of no use to a body that begins elsewhere.
    fn turned(mut self) -> Self {
        self.spent.extend(self.current.take().map(|block| block.memory));
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plain(front: &[&'static [u8]], rest: &[u8], length: u64) -> Plain {
        let (io, mut far) = tokio::io::duplex(1 << 20);
        tokio::io::AsyncWriteExt::write_all(&mut far, rest).now_or_never().unwrap().unwrap();
        let front = front.iter().map(|bytes| Bytes::from_static(bytes)).collect();
        Plain::new(Box::new(io), front, length, 0, Blocks::default())
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
    async fn whole_pages_come_first_and_what_they_leave_is_not_lost() {
        let body: Vec<u8> = (0..20_000_u32).map(|byte| (byte % 251) as u8).collect();
        let (io, mut far) = tokio::io::duplex(1 << 20);
        let mut plain = Plain::new(Box::new(io), VecDeque::new(), 20_000, 100, Blocks::default());
        let mut come = Vec::new();
        for part in [&body[..5000], &body[5000..12_000], &body[12_000..12_010], &body[12_010..]] {
            tokio::io::AsyncWriteExt::write_all(&mut far, part).await.unwrap();
            if let Some(bytes) = plain.read().now_or_never() {
                come.push(bytes.unwrap().unwrap());
            }
        }
        let lengths: Vec<usize> = come.iter().map(Bytes::len).collect();
        assert_eq!(
            lengths,
            [3996, PAGE, 3918, 7990],
            "up to a page, a page, what begins one and goes on slowly, and the end"
        );
        assert_eq!(come.concat(), body);
    }

    #[tokio::test]
    async fn blocks_are_used_again_only_when_nobody_holds_their_bytes() {
        let mut blocks = Blocks::default();
        let fill = |blocks: &mut Blocks, byte: u8| {
            let Block { memory, room } = blocks.with_room(u64::from(byte));
            memory.put_bytes(byte, std::mem::take(room));
            memory.split().freeze()
        };
        let held: Vec<Bytes> = (0..40).map(|byte| fill(&mut blocks, byte)).collect();
        assert!(held.iter().zip(0..).all(|(bytes, byte)| bytes.iter().all(|each| *each == byte)));
        let lies = |bytes: &Bytes| bytes.as_ptr().addr() % PAGE;
        assert!(held.iter().zip(0..).all(|(bytes, at)| lies(bytes) == at && bytes.len() + at == BLOCK));
        assert!(blocks.spent.len() <= MOST_SPENT);
        let page = |bytes: &Bytes| bytes.as_ptr().addr() - lies(bytes);
        let before: Vec<usize> = held.iter().map(page).collect();
        drop(held);
        let again = fill(&mut blocks, 0);
        assert!(before.contains(&page(&again)));
    }
}
