//! What is said with one peer after the handshake: a state machine, messages in, messages and events out.
//!
//! The peer is asked for the pieces of one order after another, in order, with as many requests waiting as its rate is good for. A
//! piece counts when its hash holds; a piece that came from this peer alone and does not is the end of it. Where pieces are so long
//! that several peers share one, a session by parts asks for no more than its order says, and others judge the bytes. No socket and no clock
//! is touched here. What the peer is given is in [`super::giving`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::bits::Bits;
use super::extension::{self, Abilities, Metadata};
use super::fault::{BLOCK_TIMEOUT, MAY_WASTE, PeerFault, SILENCE};
use super::giving::Giving;
use super::message::{Block, Message};
use crate::schedule::{Span, SpanSet, Time};
use crate::torrent::{Assembly, Piece, Plan};

/// Requests that wait at first and at least.
const SHALLOW: usize = 16;
/// Requests that wait at most, if the peer does not say.
const QUEUE: u32 = 250;
/// How much of a peer's rate is asked for ahead.
const AHEAD: Duration = Duration::from_secs(2);
/// Something is said at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(90);
/// Most pieces a peer may name as allowed while it chokes.
const MAX_ALLOWED: usize = 64;

/// What a session tells. `P` stands for the room a piece takes; it is given back when the piece is dropped.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<P> {
    /// What it can give changed.
    Holds,
    /// Bytes of the file, those of the order from its begin on; verified but of a session by parts.
    Piece {
        /// Where they lie.
        content: Span,
        /// They themselves.
        bytes: Vec<Bytes>,
        /// Its room.
        room: P,
    },
    /// The order cannot go on: the peer chokes, or does not have the next piece.
    Broken,
    /// It names other peers.
    Exchanged(Vec<SocketAddr>),
}

/// A piece under way.
#[derive(Debug)]
struct Active<P> {
    assembly: Assembly,
    /// First block that was never asked for.
    next: u32,
    /// Blocks asked for.
    asked: BTreeSet<u32>,
    /// Blocks to be asked for again.
    again: BTreeSet<u32>,
    room: P,
}

impl<P> Active<P> {
    fn brings(&self, index: u32, number: u32) -> bool {
        self.assembly.piece().index == index && self.assembly.numbers().contains(&number)
    }
}

/// See the module documentation.
#[derive(Debug)]
pub struct Session<P> {
    plan: Arc<Plan>,
    fast: bool,
    has: Bits,
    /// Whether something other than an extension message came: a bitfield may not come any more.
    begun: bool,
    choked: bool,
    interested: bool,
    allowed: BTreeSet<u32>,
    abilities: Abilities,
    /// What is still to be begun.
    order: Option<Span>,
    /// Parts of pieces are fetched, which somebody else judges.
    parts: bool,
    active: VecDeque<Active<P>>,
    waiting: usize,
    depth: usize,
    /// Bytes that may still come though they were cancelled.
    excused: u64,
    /// Requests that were cancelled and will be answered all the same (BEP 6): by the block, or by a rejection that says nothing
    /// about a later request for the same block.
    cancelled: BTreeMap<Block, u32>,
    blocks: u64,
    /// Bytes of pieces that it did not finish.
    wasted: u64,
    window: (Time, u64),
    block_at: Time,
    heard_at: Time,
    said_at: Time,
    giving: Giving,
    out: BytesMut,
    events: VecDeque<Event<P>>,
}

impl<P> Session<P> {
    /// A session that begins at `now`, right after the handshakes, with a peer that can be given `ours`. `fast` and `extended` say what
    /// both can do.
    #[must_use]
    pub fn new(plan: Arc<Plan>, now: Time, (fast, extended): (bool, bool), ours: &Bits) -> Self {
        let count = u32::try_from(plan.info().pieces()).unwrap_or(u32::MAX);
        let mut session = Self {
            has: Bits::none(count),
            fast,
            begun: false,
            choked: true,
            interested: false,
            allowed: BTreeSet::new(),
            abilities: Abilities::default(),
            order: None,
            parts: false,
            active: VecDeque::new(),
            waiting: 0,
            depth: SHALLOW,
            excused: 0,
            cancelled: BTreeMap::new(),
            blocks: 0,
            wasted: 0,
            window: (now, 0),
            block_at: now,
            heard_at: now,
            said_at: now,
            giving: Giving::new(fast, count),
            out: BytesMut::new(),
            events: VecDeque::new(),
            plan,
        };
        if let Some(message) = session.giving.begin(ours) {
            session.say(now, &message);
        }
        if extended {
            let exchange = !session.plan.info().is_private();
            session.say(now, &Message::Extended { id: 0, payload: extension::hello(exchange).into() });
        }
        session
    }

    /// The same session, but what it brings are parts of pieces, and nothing is known of whether they are right.
    #[must_use]
    pub fn by_parts(self, parts: bool) -> Self {
        Self { parts, ..self }
    }

    /// Bytes to be sent; whoever sends them takes them out.
    pub const fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// What happened, oldest first.
    pub fn event(&mut self) -> Option<Event<P>> {
        self.events.pop_front()
    }

    /// Events that wait.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Whole blocks it gave.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Its software, if it says so.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.abilities.client.as_deref()
    }

    /// Whether it chokes us.
    #[must_use]
    pub const fn is_choked(&self) -> bool {
        self.choked
    }

    /// The bytes of the file it can give now.
    #[must_use]
    pub fn holds(&self) -> SpanSet {
        self.plan.content_of(|index| self.has.has(index) && (!self.choked || self.allowed.contains(&index)))
    }

    /// Takes in a message.
    ///
    /// # Errors
    /// [`PeerFault`]: the connection is to be closed.
    pub fn on(&mut self, now: Time, message: Message) -> Result<(), PeerFault> {
        self.heard_at = now;
        let first = !self.begun;
        self.begun |= !matches!(message, Message::KeepAlive | Message::Extended { .. });
        match message {
            Message::Choke => self.choke(),
            Message::Unchoke => {
                self.choked = false;
                self.block_at = now;
                self.events.push_back(Event::Holds);
            }
            Message::Have(index) => {
                if !self.has.set(index, true) {
                    return Err(PeerFault::Protocol("a piece that is not in the torrent"));
                }
                self.changed(now);
            }
            Message::Bitfield(bits) => {
                let count = u32::try_from(self.plan.info().pieces()).unwrap_or(u32::MAX);
                let read = Bits::read(&bits, count).filter(|_| first);
                self.has = read.ok_or(PeerFault::Protocol("a bitfield of another length, or too late"))?;
                self.changed(now);
            }
            Message::HaveAll | Message::HaveNone if !self.fast || !first => {
                return Err(PeerFault::Protocol("a have-all or have-none where it may not be"));
            }
            Message::HaveAll => {
                self.has = Bits::all(u32::try_from(self.plan.info().pieces()).unwrap_or(u32::MAX));
                self.changed(now);
            }
            Message::Piece { index, begin, data } => self.block(now, index, begin, data)?,
            Message::Reject(block) => self.rejected(block)?,
            Message::AllowedFast(index) if self.allowed.len() < MAX_ALLOWED => {
                self.allowed.insert(index);
            }
            Message::Interested => self.giving.interested(true),
            Message::NotInterested => self.giving.interested(false),
            Message::Request(block) => {
                self.giving.request(block, &self.plan, |message| message.put(&mut self.out));
            }
            Message::Cancel(block) => self.giving.cancel(block, |message| message.put(&mut self.out)),
            Message::HashRequest(ask) => self.say(now, &Message::HashReject(ask)),
            Message::Extended { id, payload } => self.extended(now, id, &payload),
            _ => {}
        }
        Ok(())
    }

    /// Whether the peer wants something that is there.
    #[must_use]
    pub const fn wants(&self) -> bool {
        self.giving.wants()
    }

    /// Tells the peer of pieces that are there now.
    pub fn tell(&mut self, now: Time, news: &[u32]) {
        news.iter().for_each(|index| self.giving.tell(*index, |message| message.put(&mut self.out)));
        self.said_at = now;
    }

    /// Lets the peer's requests through, or not.
    pub fn choke_peer(&mut self, choked: bool) {
        self.giving.choke(choked, |message| message.put(&mut self.out));
    }

    /// The next block that the peer is to be given.
    pub fn owed(&mut self) -> Option<Block> {
        self.giving.next()
    }

    /// Gives a block that is owed, or refuses it when it could not be read back.
    pub fn give(&mut self, now: Time, block: Block, data: Option<Bytes>) {
        match data {
            Some(data) => self.say(now, &Message::Piece { index: block.index, begin: block.begin, data }),
            None => self.giving.refuse(block, |message| message.put(&mut self.out)),
        }
    }

    /// Replaces the order: the pieces that hold `span`, in order. Requests of the order before are cancelled.
    pub fn fetch(&mut self, now: Time, span: Span) {
        self.stop(now);
        self.order = Some(span);
        self.block_at = now;
    }

    /// Drops the order.
    pub fn stop(&mut self, now: Time) {
        self.order = None;
        for active in std::mem::take(&mut self.active) {
            let index = active.assembly.piece().index;
            for (begin, length) in active.asked.iter().map(|&number| active.assembly.block(number)) {
                let block = Block { index, begin, length };
                self.excused += u64::from(length);
                if self.fast {
                    *self.cancelled.entry(block).or_default() += 1;
                }
                self.say(now, &Message::Cancel(block));
            }
        }
        self.waiting = 0;
    }

    /// Asks for blocks, as many as may wait. `room` gives room for a piece of so many bytes; without it no piece is begun.
    pub fn fill(&mut self, now: Time, mut room: impl FnMut(u32) -> Option<P>) {
        let queue = self.abilities.queue.unwrap_or(QUEUE).clamp(1, 2000) as usize;
        let depth = self.depth.min(queue);
        while self.waiting < depth {
            let able = |active: &&mut Active<P>| {
                let index = active.assembly.piece().index;
                let open = !active.again.is_empty() || active.next < active.assembly.numbers().end;
                open && (!self.choked || self.allowed.contains(&index))
            };
            if let Some(active) = self.active.iter_mut().find(able) {
                let number = active.again.pop_first().unwrap_or_else(|| {
                    active.next += 1;
                    active.next - 1
                });
                active.asked.insert(number);
                let (begin, length) = active.assembly.block(number);
                let index = active.assembly.piece().index;
                Message::Request(Block { index, begin, length }).put(&mut self.out);
                if self.waiting == 0 {
                    self.block_at = now;
                }
                self.said_at = now;
                self.waiting += 1;
                continue;
            }
            let Some(order) = self.order else { return };
            let next = self.plan.pieces_of(order).start;
            let may = self.has.has(next) && (!self.choked || self.allowed.contains(&next));
            let Some(assembly) = self.plan.piece(next).filter(|_| may).map(|piece| self.assembly(piece, order)) else {
                if self.active.is_empty() {
                    self.order = None;
                    self.events.push_back(Event::Broken);
                }
                return;
            };
            let numbers = assembly.numbers();
            let Some(room) = room(u32::try_from(numbers.len()).unwrap_or(u32::MAX).saturating_mul(BLOCK)) else {
                return;
            };
            self.order = assembly.content().and_then(|content| Span::new(content.end(), order.end()));
            let (asked, again) = (BTreeSet::new(), BTreeSet::new());
            self.active.push_back(Active { assembly, next: numbers.start, asked, again, room });
        }
    }

    /// What is fetched next of `piece`, which holds the begin of `order`.
    fn assembly(&self, piece: Piece, order: Span) -> Assembly {
        if !self.parts {
            return Assembly::new(piece);
        }
        let at = u64::from(piece.skip) + order.start().saturating_sub(piece.content.start());
        let first = u32::try_from(at / u64::from(BLOCK)).unwrap_or(u32::MAX);
        // A block: what a slow peer gives shows as soon as it can.
        Assembly::part(piece, first..first.saturating_add(1))
    }

    /// Judges silence, and keeps the connection alive.
    ///
    /// # Errors
    /// [`PeerFault`] when it was silent for too long.
    pub fn tick(&mut self, now: Time) -> Result<(), PeerFault> {
        if self.waiting > 0 && self.block_at + BLOCK_TIMEOUT <= now {
            return Err(PeerFault::Snubbed);
        }
        if self.heard_at + SILENCE <= now {
            return Err(PeerFault::Silent);
        }
        if self.said_at + KEEP_ALIVE <= now {
            self.say(now, &Message::KeepAlive);
        }
        let (since, bytes) = self.window;
        let elapsed = now.saturating_sub(since);
        if elapsed >= Duration::from_secs(1) {
            let rate = bytes as f64 / elapsed.as_secs_f64();
            let ahead = (rate * AHEAD.as_secs_f64() / f64::from(BLOCK)) as usize;
            self.depth = self.depth.min(ahead.max(SHALLOW));
            self.window = (now, 0);
        }
        Ok(())
    }

    fn say(&mut self, now: Time, message: &Message) {
        message.put(&mut self.out);
        self.said_at = now;
    }

    /// The peer has other pieces than before.
    fn changed(&mut self, now: Time) {
        let wanted = !self.interested && self.plan.pieces().any(|index| self.has.has(index));
        if wanted {
            self.interested = true;
            self.say(now, &Message::Interested);
        }
        if !self.choked {
            self.events.push_back(Event::Holds);
        }
    }

    fn choke(&mut self) {
        self.choked = true;
        self.events.push_back(Event::Holds);
        // With the fast extension each request is rejected by itself.
        if !self.fast {
            for active in &mut self.active {
                self.waiting = self.waiting.saturating_sub(active.asked.len());
                active.again.append(&mut active.asked);
            }
        }
    }

    /// Whether this answers a cancelled request; that is settled by it.
    fn settles(&mut self, block: Block) -> bool {
        let Some(count) = self.cancelled.get_mut(&block) else { return false };
        *count -= 1;
        if *count == 0 {
            self.cancelled.remove(&block);
        }
        true
    }

    fn rejected(&mut self, block: Block) -> Result<(), PeerFault> {
        if self.settles(block) {
            self.excused = self.excused.saturating_sub(block.length.into());
            return Ok(());
        }
        let number = block.begin / BLOCK;
        let found = self.active.iter_mut().find(|active| active.brings(block.index, number));
        let Some(active) = found.and_then(|active| active.asked.remove(&number).then_some(active)) else {
            return Ok(());
        };
        active.again.insert(number);
        self.waiting = self.waiting.saturating_sub(1);
        if !self.choked {
            // It does not have what it said it had.
            self.has.set(block.index, false);
            self.allowed.remove(&block.index);
            self.order = None;
            self.wasted += self.active.iter().map(|active| active.assembly.received()).sum::<u64>();
            self.active.clear();
            self.waiting = 0;
            self.events.extend([Event::Holds, Event::Broken]);
        }
        if self.wasted > MAY_WASTE { Err(PeerFault::Wasteful) } else { Ok(()) }
    }

    fn block(&mut self, now: Time, index: u32, begin: u32, data: Bytes) -> Result<(), PeerFault> {
        let number = begin / BLOCK;
        let length = data.len() as u64;
        let active = self.active.iter_mut().find(|active| active.brings(index, number));
        let Some(active) = active.and_then(|active| active.asked.remove(&number).then_some(active)) else {
            // Cancelled and sent cross each other; more than that is flooding.
            self.settles(Block { index, begin, length: u32::try_from(length).unwrap_or(u32::MAX) });
            self.excused = self.excused.checked_sub(length).ok_or(PeerFault::Protocol("blocks nobody asked for"))?;
            return Ok(());
        };
        self.waiting -= 1;
        self.block_at = now;
        self.blocks += 1;
        self.window.1 += length;
        self.depth += 1;
        active.assembly.put(begin, data).map_err(|_| PeerFault::Protocol("a block of another length"))?;
        // In order, in whichever they came.
        while let Some(done) = self.active.pop_front_if(|first| first.assembly.is_complete()) {
            let content = done.assembly.content();
            let bytes = done.assembly.finish().map_err(|bad| PeerFault::Corrupt(bad.0))?;
            self.events.extend(content.map(|content| Event::Piece { content, bytes, room: done.room }));
        }
        Ok(())
    }

    fn extended(&mut self, now: Time, id: u8, payload: &Bytes) {
        match id {
            0 => self.abilities = extension::abilities(payload),
            extension::METADATA => {
                if let (Some(Metadata::Request(part)), Some(id)) = (Metadata::decode(payload), self.abilities.metadata)
                {
                    self.say(now, &Message::Extended { id, payload: Metadata::Reject(part).encode().into() });
                }
            }
            extension::PEX if !self.plan.info().is_private() => {
                self.events.push_back(Event::Exchanged(extension::exchanged(payload)));
            }
            _ => {}
        }
    }
}

const BLOCK: u32 = videocloud_protocol::torrent::merkle::BLOCK as u32;
