//! One connection of a seeder, free of sockets and clocks: messages in, messages and runs of blocks to send out.
//!
//! A run is blocks that lie behind one another, to be read from the store at once. What a peer may say is bounded in number, size and
//! kind; who oversteps is cut by [`Violation`].

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use videocloud_protocol::{
    peer_wire::{
        bits::Bits,
        extension::{self, METADATA_PART, Metadata},
        message::{Block, HashAsk, Message, MessageError},
    },
    torrent::{Metainfo, merkle},
};

/// Requests that may wait, as our extension handshake says.
pub const QUEUE: usize = 500;
/// Longest block, bytes. Clients ask for 16 KiB.
pub const MAX_BLOCK: u32 = 128 << 10;
/// Longest message that is taken beside a bitfield, bytes.
const MAX_MESSAGE: usize = 32 << 10;
/// Hashes of one answer (BEP 52).
const MAX_HASHES: u32 = 512;
/// Messages that ask for nothing we owe: as many at once, and as many each second.
const ALLOWANCE: (u32, u32) = (1000, 200);
/// What a message costs of the allowance that makes us compute or send a lot.
const DEAR: u32 = 20;
/// Bytes that wait to be sent, beside blocks, from which on nothing dear is answered.
const MAX_WAITING: usize = 256 << 10;

/// Why a peer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No message at all.
    #[error("it sent {0}")]
    Message(#[from] MessageError),
    /// A block or piece that is not there.
    #[error("it spoke of a piece or block that the torrent has not")]
    OutOfRange,
    /// More requests than may wait, without a way to refuse them.
    #[error("it asked for more than may wait")]
    TooManyRequests,
    /// More of everything than any honest client sends.
    #[error("it flooded us with messages")]
    Flood,
    /// A message that has no place here.
    #[error("it sent a message that has no place here")]
    OutOfPlace,
}

/// Blocks that lie behind one another in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// First byte in the content.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// End of the piece in the content: who reads on, reads this far.
    pub end: u64,
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Session {
    torrent: Arc<Metainfo>,
    pieces: u32,
    fast: bool,
    theirs: Bits,
    lacks: u32,
    upload_only: bool,
    began: bool,
    interested: bool,
    choked: bool,
    queue: VecDeque<Block>,
    metadata: Option<u8>,
    allowance: u32,
    refilled: Duration,
    out: BytesMut,
    had: u64,
    news: Vec<u32>,
    /// While super-seeding: what the peer was told we have.
    told: Option<Bits>,
}

impl Session {
    /// A session that begins. With `hiding` it seems to have nothing until [`Session::tell`].
    #[must_use]
    pub fn new(torrent: Arc<Metainfo>, (fast, extended): (bool, bool), hiding: bool, now: Duration) -> Self {
        let pieces = u32::try_from(torrent.info.pieces()).unwrap_or(u32::MAX);
        let mut session = Self {
            pieces,
            fast,
            theirs: Bits::none(pieces),
            lacks: pieces,
            upload_only: false,
            began: false,
            interested: false,
            choked: true,
            queue: VecDeque::new(),
            metadata: None,
            allowance: ALLOWANCE.0,
            refilled: now,
            out: BytesMut::new(),
            had: 0,
            news: Vec::new(),
            told: hiding.then(|| Bits::none(pieces)),
            torrent,
        };
        match (hiding, fast) {
            (false, true) => session.say(&Message::HaveAll),
            (false, false) => session.say(&Message::Bitfield(Bits::all(pieces).bytes())),
            (true, true) => session.say(&Message::HaveNone),
            (true, false) => {}
        }
        if extended {
            let size = session.torrent.info.raw().len();
            let payload = extension::hello_of_seed(size, QUEUE as u32).into();
            session.say(&Message::Extended { id: 0, payload });
        }
        session
    }

    /// Bytes of the content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.torrent.info.total()
    }

    /// Longest message that can have a meaning.
    #[must_use]
    pub const fn longest(&self) -> usize {
        let bitfield = 1 + self.pieces.div_ceil(8) as usize;
        if bitfield > MAX_MESSAGE { bitfield } else { MAX_MESSAGE }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`Violation`]: the connection cannot go on.
    pub fn on(&mut self, now: Duration, message: Message) -> Result<(), Violation> {
        // What it has may come late: a client that starts from a magnet link knows of no pieces before it has the metadata.
        let first = !self.began;
        self.began |= matches!(message, Message::Have(_) | Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        match message {
            Message::Request(block) => self.request(now, block)?,
            Message::Have(piece) if piece >= self.pieces => return Err(Violation::OutOfRange),
            Message::Have(piece) if self.theirs.has(piece) => self.spend(now, 1)?,
            Message::Have(piece) => self.has_now(piece),
            Message::Cancel(block) => {
                self.spend(now, 1)?;
                if let Some(at) = self.queue.iter().position(|waiting| *waiting == block) {
                    self.queue.remove(at);
                    self.refuse(block);
                }
            }
            Message::Bitfield(bits) if first => {
                self.theirs = Bits::read(&bits, self.pieces).ok_or(Violation::OutOfRange)?;
                self.lacks = self.pieces - self.theirs.count();
            }
            // aria2 says so what came to it lately, in place of many HAVEs.
            Message::Bitfield(bits) => {
                self.spend(now, 1)?;
                let bits = Bits::read(&bits, self.pieces).ok_or(Violation::OutOfRange)?;
                for piece in (0..self.pieces).filter(|piece| bits.has(*piece)) {
                    if !self.theirs.has(piece) {
                        self.has_now(piece);
                    }
                }
            }
            Message::HaveAll if first => (self.theirs, self.lacks) = (Bits::all(self.pieces), 0),
            Message::HaveNone if first => {}
            Message::Interested => {
                self.spend(now, 1)?;
                self.interested = true;
            }
            Message::NotInterested => {
                self.spend(now, 1)?;
                self.interested = false;
            }
            Message::Extended { id, payload } => {
                self.extended(now, id, &payload)?;
            }
            Message::HashRequest(ask) => self.hashes(now, ask)?,
            Message::KeepAlive | Message::Choke | Message::Unchoke | Message::AllowedFast(_) | Message::Reject(_) => {
                self.spend(now, 1)?;
            }
            Message::Hashes(..) | Message::HashReject(_) | Message::Other(_) => self.spend(now, 1)?,
            Message::Piece { .. } | Message::HaveAll | Message::HaveNone => {
                return Err(Violation::OutOfPlace);
            }
        }
        Ok(())
    }

    /// The next blocks to send, of at most `most` bytes or one; none while the peer is choked or asks for nothing.
    pub fn next_run(&mut self, most: u64) -> Option<Run> {
        let first = *self.queue.front().filter(|_| !self.choked)?;
        let piece = u64::from(first.index) * self.torrent.info.piece_length();
        let offset = piece + u64::from(first.begin);
        let end = piece + self.torrent.info.length_of(first.index.into());
        let mut run = Run { offset, length: 0, end, blocks: Vec::new() };
        while let Some(next) = self.queue.front().copied() {
            let follows = next.index == first.index && piece + u64::from(next.begin) == offset + run.length;
            if !follows || (!run.blocks.is_empty() && run.length + u64::from(next.length) > most) {
                break;
            }
            run.length += u64::from(next.length);
            run.blocks.push(next);
            self.queue.pop_front();
        }
        Some(run)
    }

    /// Lets the peer's requests through, or not.
    pub fn choke(&mut self, choked: bool) {
        if std::mem::replace(&mut self.choked, choked) == choked {
            return;
        }
        self.say(if choked { &Message::Choke } else { &Message::Unchoke });
        if choked {
            for block in std::mem::take(&mut self.queue) {
                self.refuse(block);
            }
        }
    }

    /// While hiding: tells the peer that we have a piece.
    pub fn tell(&mut self, piece: u32) {
        if let Some(told) = &mut self.told
            && !told.has(piece)
            && told.set(piece, true)
        {
            self.say(&Message::Have(piece));
        }
    }

    /// Whether the peer is kept in the dark.
    #[must_use]
    pub const fn is_hiding(&self) -> bool {
        self.told.is_some()
    }

    /// Ends hiding: the peer is told of everything.
    pub fn show_all(&mut self) {
        if self.told.is_none() {
            return;
        }
        for piece in 0..self.pieces {
            self.tell(piece);
        }
        self.told = None;
    }

    /// Says nothing, so that the connection is not taken for dead.
    pub fn keep_alive(&mut self) {
        self.say(&Message::KeepAlive);
    }

    /// What is to be sent before anything else.
    pub fn take_out(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Bytes of that.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Bytes the peer came to have since the last call.
    pub fn take_had(&mut self) -> u64 {
        std::mem::take(&mut self.had)
    }

    /// Pieces it came to have since the last call.
    pub fn take_news(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.news)
    }

    /// Whether it has a piece.
    #[must_use]
    pub fn has(&self, piece: u32) -> bool {
        self.theirs.has(piece)
    }

    /// Whether it wants something and may be given it.
    #[must_use]
    pub const fn interested(&self) -> bool {
        self.interested && !self.finished()
    }

    /// Whether there is nothing left that it could want.
    #[must_use]
    pub const fn finished(&self) -> bool {
        self.lacks == 0 || self.upload_only
    }

    fn has_now(&mut self, piece: u32) {
        self.theirs.set(piece, true);
        self.lacks -= 1;
        self.had += self.torrent.info.length_of(piece.into());
        self.news.push(piece);
    }

    fn request(&mut self, now: Duration, block: Block) -> Result<(), Violation> {
        let piece = self.torrent.info.length_of(block.index.into());
        let end = u64::from(block.begin) + u64::from(block.length);
        if block.length == 0 || block.length > MAX_BLOCK || end > piece {
            return Err(Violation::OutOfRange);
        }
        let hidden = self.told.as_ref().is_some_and(|told| !told.has(block.index));
        if self.choked || hidden || self.queue.len() >= QUEUE {
            self.spend(now, 1)?;
            if !self.fast && !self.choked {
                return Err(if hidden { Violation::OutOfRange } else { Violation::TooManyRequests });
            }
            self.refuse(block);
        } else {
            self.queue.push_back(block);
        }
        Ok(())
    }

    fn extended(&mut self, now: Duration, id: u8, payload: &Bytes) -> Result<(), Violation> {
        self.spend(now, 1)?;
        match (id, self.metadata) {
            (0, _) => {
                let said = extension::abilities(payload);
                self.metadata = said.metadata;
                self.upload_only |= said.upload_only;
            }
            (extension::METADATA, Some(theirs)) => {
                let Some(Metadata::Request(part)) = Metadata::decode(payload) else { return Ok(()) };
                self.spend(now, DEAR)?;
                let raw = self.torrent.info.raw();
                let from = (part as usize).saturating_mul(METADATA_PART);
                let payload = match raw.get(from..raw.len().min(from.saturating_add(METADATA_PART))) {
                    Some(bytes) if !bytes.is_empty() && self.out.len() < MAX_WAITING => {
                        Metadata::encode_part(part, bytes, raw.len())
                    }
                    _ => Metadata::Reject(part).encode(),
                };
                self.say(&Message::Extended { id: theirs, payload: payload.into() });
            }
            _ => {}
        }
        Ok(())
    }

    /// Proves pieces of a v2 torrent (BEP 52); layers below that of the pieces are not kept.
    fn hashes(&mut self, now: Duration, ask: HashAsk) -> Result<(), Violation> {
        self.spend(now, DEAR)?;
        let info = &self.torrent.info;
        let ours = info.files().first().is_some_and(|file| file.root == Some(ask.root));
        let pieces = (info.piece_length() / merkle::BLOCK as u64).ilog2();
        let found = self.torrent.layer().filter(|_| {
            ours && ask.layer == pieces && ask.length <= MAX_HASHES && ask.proofs <= 64 && self.out.len() < MAX_WAITING
        });
        let question = (ask.index as usize, ask.length as usize, ask.proofs as usize);
        let answer = found.and_then(|layer| merkle::answer(layer, info.piece_length(), question));
        self.say(&answer.map_or(Message::HashReject(ask), |hashes| Message::Hashes(ask, hashes)));
        Ok(())
    }

    fn refuse(&mut self, block: Block) {
        if self.fast {
            self.say(&Message::Reject(block));
        }
    }

    fn say(&mut self, message: &Message) {
        message.put(&mut self.out);
    }

    fn spend(&mut self, now: Duration, cost: u32) -> Result<(), Violation> {
        let seconds = u32::try_from(now.saturating_sub(self.refilled).as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            self.refilled = now;
            self.allowance = self.allowance.saturating_add(seconds.saturating_mul(ALLOWANCE.1)).min(ALLOWANCE.0);
        }
        self.allowance = self.allowance.checked_sub(cost).ok_or(Violation::Flood)?;
        Ok(())
    }
}
