//! Messages between peers (BEP 3, 6, 10, 52): bytes in, messages out, and back.

use crate::torrent::merkle::Hash;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest message that is taken, bytes: the bitfield of the largest torrent fits.
pub const MAX_LENGTH: usize = 256 << 10;

/// A block as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Piece.
    pub index: u32,
    /// First byte in the piece.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// Hashes of one layer of a file's tree as they are asked for (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashAsk {
    /// Root of the file's tree.
    pub root: Hash,
    /// Layer; 0 is that of the blocks.
    pub layer: u32,
    /// First hash.
    pub index: u32,
    /// Number of hashes, a power of two.
    pub length: u32,
    /// Layers above for which uncles prove the hashes.
    pub proofs: u32,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Message {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(Bytes),
    Request(Block),
    Piece {
        index: u32,
        begin: u32,
        data: Bytes,
    },
    Cancel(Block),
    HaveAll,
    HaveNone,
    Reject(Block),
    AllowedFast(u32),
    Extended {
        id: u8,
        payload: Bytes,
    },
    HashRequest(HashAsk),
    Hashes(HashAsk, Vec<Hash>),
    HashReject(HashAsk),
    /// One that means nothing here.
    Other(u8),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than it may be.
    #[error("a message of {0} bytes, more than can have a meaning")]
    TooLong(usize),
    /// A length that its kind cannot have.
    #[error("a message of kind {kind} with {length} bytes")]
    Length {
        /// Its number.
        kind: u8,
        /// Bytes behind the number.
        length: usize,
    },
}

impl Message {
    /// Takes the first message out of `buffer`; `None` while it is not complete. Data shares the buffer's memory.
    ///
    /// # Errors
    /// [`MessageError`]; the connection cannot go on.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, MessageError> {
        Self::take_within(buffer, MAX_LENGTH)
    }

    /// As [`Message::take`], where nothing longer than `most` bytes can have a meaning.
    ///
    /// # Errors
    /// [`MessageError`]; the connection cannot go on.
    pub fn take_within(buffer: &mut BytesMut, most: usize) -> Result<Option<Self>, MessageError> {
        let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > most.min(MAX_LENGTH) {
            return Err(MessageError::TooLong(length));
        }
        if buffer.len() < 4 + length {
            return Ok(None);
        }
        let mut frame = buffer.split_to(4 + length).freeze();
        frame.advance(4);
        Self::read(frame).map(Some)
    }

    /// Bytes that are still needed for the first message, 0 when that is not known yet or it is complete.
    #[must_use]
    pub fn wanting(buffer: &[u8]) -> usize {
        let length = buffer.first_chunk::<4>().map_or(0, |head| 4 + u32::from_be_bytes(*head) as usize);
        length.min(4 + MAX_LENGTH).saturating_sub(buffer.len())
    }

    fn read(mut frame: Bytes) -> Result<Self, MessageError> {
        let Some(kind) = frame.first().copied() else { return Ok(Self::KeepAlive) };
        frame.advance(1);
        let length = frame.len();
        let wrong = MessageError::Length { kind, length };
        let exactly = |wanted: usize| if length == wanted { Ok(()) } else { Err(wrong) };
        Ok(match kind {
            0..=3 | 14 | 15 => {
                exactly(0)?;
                match kind {
                    0 => Self::Choke,
                    1 => Self::Unchoke,
                    2 => Self::Interested,
                    3 => Self::NotInterested,
                    14 => Self::HaveAll,
                    _ => Self::HaveNone,
                }
            }
            4 | 17 => {
                exactly(4)?;
                let index = frame.get_u32();
                if kind == 4 { Self::Have(index) } else { Self::AllowedFast(index) }
            }
            5 => Self::Bitfield(frame),
            6 | 8 | 16 => {
                exactly(12)?;
                let block = Block { index: frame.get_u32(), begin: frame.get_u32(), length: frame.get_u32() };
                match kind {
                    6 => Self::Request(block),
                    8 => Self::Cancel(block),
                    _ => Self::Reject(block),
                }
            }
            7 if length > 8 => Self::Piece { index: frame.get_u32(), begin: frame.get_u32(), data: frame },
            20 if length >= 1 => Self::Extended { id: frame.get_u8(), payload: frame },
            21..=23 if length >= 48 && (length == 48 || kind == 22 && length.is_multiple_of(16)) => {
                let ask = hash_ask(&mut frame);
                match kind {
                    21 => Self::HashRequest(ask),
                    22 => Self::Hashes(ask, frame.as_chunks::<32>().0.to_vec()),
                    _ => Self::HashReject(ask),
                }
            }
            7 | 20..=23 => return Err(wrong),
            other => Self::Other(other),
        })
    }

    /// Writes the message.
    pub fn put(&self, out: &mut BytesMut) {
        let mut plain = |kind: u8, words: &[u32]| {
            out.put_u32(1 + 4 * words.len() as u32);
            out.put_u8(kind);
            words.iter().for_each(|word| out.put_u32(*word));
        };
        let block = |block: &Block| [block.index, block.begin, block.length];
        match self {
            Self::KeepAlive => out.put_u32(0),
            Self::Choke => plain(0, &[]),
            Self::Unchoke => plain(1, &[]),
            Self::Interested => plain(2, &[]),
            Self::NotInterested => plain(3, &[]),
            Self::HaveAll => plain(14, &[]),
            Self::HaveNone => plain(15, &[]),
            Self::Have(index) => plain(4, &[*index]),
            Self::AllowedFast(index) => plain(17, &[*index]),
            Self::Request(asked) => plain(6, &block(asked)),
            Self::Cancel(asked) => plain(8, &block(asked)),
            Self::Reject(asked) => plain(16, &block(asked)),
            Self::Bitfield(bits) => framed(out, 5, &[bits]),
            Self::Piece { index, begin, data } => framed(out, 7, &[&index.to_be_bytes(), &begin.to_be_bytes(), data]),
            Self::Extended { id, payload } => framed(out, 20, &[&[*id], payload]),
            Self::HashRequest(ask) => framed(out, 21, &[&ask.bytes()]),
            Self::Hashes(ask, hashes) => framed(out, 22, &[&ask.bytes(), hashes.as_flattened()]),
            Self::HashReject(ask) => framed(out, 23, &[&ask.bytes()]),
            Self::Other(kind) => plain(*kind, &[]),
        }
    }
}

fn framed(out: &mut BytesMut, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.put_u32(u32::try_from(length + 1).unwrap_or(u32::MAX));
    out.put_u8(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn hash_ask(frame: &mut Bytes) -> HashAsk {
    let mut root = [0; 32];
    frame.copy_to_slice(&mut root);
    let [layer, index, length, proofs] = std::array::from_fn(|_| frame.get_u32());
    HashAsk { root, layer, index, length, proofs }
}

impl HashAsk {
    fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (root, words) = bytes.split_at_mut(32);
        root.copy_from_slice(&self.root);
        for (place, word) in words.chunks_exact_mut(4).zip([self.layer, self.index, self.length, self.proofs]) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> Vec<Message> {
        let block = Block { index: 1, begin: 16_384, length: 16_384 };
        let ask = HashAsk { root: [3; 32], layer: 4, index: 0, length: 2, proofs: 1 };
        vec![
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::Have(7),
            Message::Bitfield(Bytes::from_static(b"\xff\x80")),
            Message::Request(block),
            Message::Piece { index: 1, begin: 0, data: Bytes::from_static(b"abc") },
            Message::Cancel(block),
            Message::HaveAll,
            Message::HaveNone,
            Message::Reject(block),
            Message::AllowedFast(3),
            Message::Extended { id: 1, payload: Bytes::from_static(b"de") },
            Message::HashRequest(ask),
            Message::Hashes(ask, vec![[1; 32], [2; 32]]),
            Message::HashReject(ask),
        ]
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let mut buffer = BytesMut::new();
        messages().iter().for_each(|message| message.put(&mut buffer));
        let whole = buffer.clone();
        for message in messages() {
            assert_eq!(Message::take(&mut buffer), Ok(Some(message)));
        }
        assert!(buffer.is_empty());
        // Byte by byte: nothing before it is complete.
        let mut found = Vec::new();
        for byte in whole {
            buffer.put_u8(byte);
            found.extend(Message::take(&mut buffer).unwrap());
        }
        assert_eq!(found, messages());
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for bad in [
            &b"\0\0\0\x02\x00a"[..],
            b"\0\0\0\x01\x04",
            b"\0\0\0\x09\x0712345678",
            b"\0\0\0\x01\x14",
            b"\0\0\0\x05\x16abcd",
        ] {
            assert!(Message::take(&mut BytesMut::from(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(Message::take(&mut BytesMut::from(&[255; 4][..])), Err(MessageError::TooLong(u32::MAX as usize)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut left = buffer.len();
            while let Ok(Some(message)) = Message::take(&mut buffer) {
                prop_assert!(buffer.len() < left);
                left = buffer.len();
                let mut again = BytesMut::new();
                message.put(&mut again);
                if !matches!(message, Message::Other(_)) {
                    prop_assert_eq!(Message::take(&mut again), Ok(Some(message)));
                }
            }
        }
    }
}
