//! One peer: a task that owns the socket and the session, and carries out what its lane asks for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::{InfoHash, merkle};

use super::fault::PeerFault;
use super::handshake::{Handshake, PeerId};
use super::lane::{Delivery, Fetch, PeerSource};
use super::message::{Block, Message};
use super::session::{Event, Session};
use super::sharing::{Ours, Sharing};
use super::wire::{self, Encryption, READ, Wire, WireError};
use crate::discover::{Find, FindId, Found};
use crate::schedule::Span;
use crate::source::{BoxFuture, Route, SourceError};
use crate::torrent::Plan;

/// Verified pieces that wait for the lane, and parts that do; further ones are not begun.
const READY: usize = 2;
const READY_PARTS: usize = 8;
/// Parts that wait are put together up to so many bytes.
const LUMP: u64 = 256 << 10;
/// Verified pieces that nobody takes for this long are dropped, with their order.
const ABANDONED: Duration = Duration::from_secs(10);
/// Least time between two words about what the peer holds.
const HOLDS_EVERY: Duration = Duration::from_millis(250);
/// How often a lane is told that blocks come, while no piece is complete.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Bytes that wait to be sent from which on no further block is read for it.
const FULL: usize = 256 << 10;
/// A peer that chokes for this long makes room for another.
const CHOKED: Duration = Duration::from_secs(120);

/// What all peers of a download share.
pub(super) struct Club {
    pub(super) plan: Arc<Plan>,
    /// How they are reached.
    pub(super) route: Route,
    pub(super) begun: Instant,
    pub(super) peer: PeerId,
    pub(super) encryption: Encryption,
    /// Peers give parts of pieces, which the engine judges.
    pub(super) parts: bool,
    /// Room for pieces under way, KiB.
    pub(super) room: Arc<Semaphore>,
    pub(super) finds: mpsc::Sender<Find>,
    /// Addresses that peers name.
    pub(super) exchanged: mpsc::Sender<Vec<SocketAddr>>,
    /// What they are given.
    pub(super) sharing: Arc<Sharing>,
}

/// How it ended with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerEnd {
    /// Told to stop.
    Stopped,
    /// It could not be reached, or the connection broke. Whether it had answered.
    Lost { answered: bool },
    /// It is of no use at present.
    Useless,
    /// Never again.
    Banned,
}

struct Order {
    pieces: mpsc::Sender<Delivery>,
}

/// Connects to a peer of `swarm` and serves orders until it ends.
pub(super) async fn run(
    club: Arc<Club>,
    swarm: InfoHash,
    address: SocketAddr,
    id: FindId,
    stop: CancellationToken,
) -> PeerEnd {
    let hashes = club.plan.info().hashes();
    let (v2, swarms) = (hashes.v2().is_some(), hashes.swarms());
    let ours = Handshake { swarm, peer: club.peer, extended: true, fast: true, v2 };
    let wire = tokio::select! {
        () = stop.cancelled() => return PeerEnd::Stopped,
        wire = wire::open(&club.route, address, ours, &swarms, club.encryption) => wire,
    };
    let wire = match wire {
        Ok(wire) => wire,
        Err(error) => {
            tracing::debug!(%address, %error, "no peer there");
            return match error {
                WireError::Ourselves | WireError::Other => PeerEnd::Banned,
                _ => PeerEnd::Lost { answered: false },
            };
        }
    };
    let mut peer = Peer::new(club, address, id, &wire);
    let ended = tokio::select! {
        () = stop.cancelled() => End::Stopped,
        ended = peer.serve(wire) => ended,
    };
    peer.goodbye(ended).await
}

enum End {
    Stopped,
    Closed(String),
    Choked,
    Fault(PeerFault),
}

struct Peer {
    club: Arc<Club>,
    address: SocketAddr,
    id: FindId,
    session: Session<OwnedSemaphorePermit>,
    begun: Instant,
    commands: mpsc::Receiver<Fetch>,
    /// Kept until the engine is told of the source.
    handle: Option<mpsc::Sender<Fetch>>,
    order: Option<Order>,
    ready: VecDeque<Delivery>,
    ready_since: Instant,
    told: Instant,
    dirty: bool,
    alive_at: Instant,
    alive_blocks: u64,
    choked_since: Instant,
    starved: bool,
    ours: watch::Receiver<Arc<Ours>>,
    /// Pieces of them it was told of.
    told_of: usize,
    /// When it was last weighed against the others, and what it had given by then.
    weighed: (Instant, u64),
}

impl Peer {
    fn new(club: Arc<Club>, address: SocketAddr, id: FindId, wire: &Wire) -> Self {
        let begun = Instant::now();
        let (handle, commands) = mpsc::channel(1);
        let mut ours = club.sharing.ours();
        let abilities = (wire.theirs.fast, wire.theirs.extended);
        let there = Arc::clone(&ours.borrow_and_update());
        let session = Session::new(Arc::clone(&club.plan), Duration::ZERO, abilities, &there.bits);
        let session = session.by_parts(club.parts);
        club.sharing.choker().join(id);
        Self {
            club,
            address,
            id,
            session,
            begun,
            commands,
            handle: Some(handle),
            order: None,
            ready: VecDeque::new(),
            ready_since: begun,
            told: begun,
            dirty: false,
            alive_at: begun,
            alive_blocks: 0,
            choked_since: begun,
            starved: false,
            ours,
            told_of: there.order.len(),
            weighed: (begun, 0),
        }
    }

    async fn serve(&mut self, wire: Wire) -> End {
        let Wire { stream, mut buffer, ciphers, .. } = wire;
        let (mut send, mut receive) = ciphers.unzip();
        let (mut reader, mut writer) = stream.into_split();
        let mut sending = BytesMut::new();
        let mut gift: Option<BoxFuture<'static, (Block, Option<Bytes>)>> = None;
        loop {
            if let Err(fault) = self.step(&mut buffer) {
                return End::Fault(fault);
            }
            self.tell().await;
            if self.session.is_choked() && self.choked_since.elapsed() > CHOKED {
                return End::Choked;
            }
            if gift.is_none() && sending.len() < FULL {
                let sharing = Arc::clone(&self.club.sharing);
                gift = self.session.owed().map(|block| -> BoxFuture<'static, _> {
                    Box::pin(async move { (block, sharing.read(block).await) })
                });
            }
            let mut said = self.session.out().split();
            if let Some(cipher) = &mut send {
                cipher.apply(&mut said);
            }
            sending.unsplit(said);
            let slot = self.order.as_ref().filter(|_| !self.ready.is_empty()).map(|order| order.pieces.clone());
            let pause = if self.starved { Duration::from_millis(10) } else { HOLDS_EVERY };
            tokio::select! {
                // Who asks and does not take the answers is not heard.
                read = read(&mut reader, &mut buffer, receive.as_mut()), if sending.len() < 4 * FULL => match read {
                    Ok(0) => return End::Closed("it closed the connection".into()),
                    Ok(_) => {}
                    Err(error) => return End::Closed(error.to_string()),
                },
                wrote = writer.write_buf(&mut sending), if !sending.is_empty() => {
                    if let Err(error) = wrote {
                        return End::Closed(error.to_string());
                    }
                }
                permit = reserve(slot) => match permit {
                    Some(permit) => {
                        if let Some(delivery) = self.ready.pop_front() {
                            self.ready_since = Instant::now();
                            permit.send(delivery);
                        }
                    }
                    None => self.abandon(),
                },
                Some(fetch) = self.commands.recv() => {
                    self.ready.clear();
                    self.order = Some(Order { pieces: fetch.pieces });
                    self.alive_at = Instant::now();
                    self.session.fetch(self.begun.elapsed(), fetch.span);
                }
                (block, bytes) = read_for(&mut gift) => {
                    gift = None;
                    self.session.give(self.begun.elapsed(), block, bytes);
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Everything that needs no waiting: messages, events, requests.
    fn step(&mut self, buffer: &mut BytesMut) -> Result<(), PeerFault> {
        let now = self.begun.elapsed();
        while let Some(message) = Message::take(buffer)? {
            self.session.on(now, message)?;
        }
        self.session.tick(now)?;
        self.take_events();
        if self.order.as_ref().is_some_and(|order| order.pieces.is_closed()) {
            self.abandon();
        }
        if !self.ready.is_empty() && self.ready_since.elapsed() > ABANDONED {
            self.abandon();
        }
        if self.order.is_some() && self.ready.len() < if self.club.parts { READY_PARTS } else { READY } {
            let room = &self.club.room;
            let mut starved = false;
            self.session.fill(now, |bytes| {
                let permit = Arc::clone(room).try_acquire_many_owned(bytes.div_ceil(1024)).ok();
                starved |= permit.is_none();
                permit
            });
            self.starved = starved;
            self.take_events();
        }
        if !self.session.is_choked() {
            self.choked_since = Instant::now();
        }
        self.share(now);
        self.alive();
        Ok(())
    }

    /// Tells the peer what is there, and lets its requests through when it is its turn.
    fn share(&mut self, now: Duration) {
        if !self.club.sharing.is_open() {
            return;
        }
        if self.ours.has_changed().unwrap_or_default() {
            let ours = Arc::clone(&self.ours.borrow_and_update());
            self.session.tell(now, ours.order.get(self.told_of..).unwrap_or_default());
            self.told_of = ours.order.len();
        }
        let (weighed, before) = self.weighed;
        if weighed.elapsed() >= HOLDS_EVERY {
            let gave = (self.session.blocks() - before) * merkle::BLOCK as u64;
            self.weighed = (Instant::now(), self.session.blocks());
            let clock = self.club.begun.elapsed();
            let choked = self.club.sharing.choker().weigh(clock, self.id, self.session.wants(), gave);
            self.session.choke_peer(choked);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.event() {
            match event {
                Event::Holds => self.dirty = true,
                Event::Piece { content, bytes, room } => {
                    if self.ready.is_empty() {
                        self.ready_since = Instant::now();
                    }
                    if self.order.is_some() {
                        put(&mut self.ready, Delivery { content, bytes, room: Some(room) });
                    }
                }
                // The lane sees the end of its channel before the end of its span.
                Event::Broken => self.abandon(),
                Event::Exchanged(peers) => {
                    // When the swarm has its hands full, these addresses are not missed.
                    let _ = self.club.exchanged.try_send(peers);
                }
            }
        }
    }

    fn abandon(&mut self) {
        self.order = None;
        self.ready.clear();
        self.session.stop(self.begun.elapsed());
    }

    /// Tells the lane that blocks come, with an empty delivery.
    fn alive(&mut self) {
        let Some(order) = &self.order else { return };
        if self.alive_at.elapsed() > ALIVE_EVERY && self.session.blocks() > self.alive_blocks {
            self.alive_at = Instant::now();
            self.alive_blocks = self.session.blocks();
            if let (true, Some(content)) = (self.ready.is_empty(), Span::new(0, 1)) {
                // A full channel means that the lane has something to read anyway.
                let _ = order.pieces.try_send(Delivery { content, bytes: Vec::new(), room: None });
            }
        }
    }

    /// Tells the engine what the peer holds now.
    async fn tell(&mut self) {
        if !self.dirty || (self.handle.is_none() && self.told.elapsed() < HOLDS_EVERY && !self.session.is_choked()) {
            return;
        }
        let holds = self.session.holds();
        self.dirty = false;
        self.told = Instant::now();
        let find = match self.handle.take() {
            Some(handle) if holds.is_empty() => {
                self.handle = Some(handle);
                return;
            }
            Some(commands) => {
                let label = match self.session.client() {
                    Some(client) => format!("{} ({client})", self.address),
                    None => self.address.to_string(),
                };
                tracing::debug!(peer = %label, bytes = holds.total(), "a peer gives");
                let verified = !self.club.parts;
                let source =
                    PeerSource { address: self.address, size: self.club.plan.file().length, commands, verified };
                Find::Source(Found { id: self.id, label, source: Arc::new(source), holds: Some(holds), priority: 0 })
            }
            None => Find::Holds { source: self.id, holds },
        };
        // Fails when the engine wants nothing more, and then this task is stopped.
        let _ = self.club.finds.send(find).await;
    }

    /// Ends the source, if there was one.
    async fn goodbye(self, ended: End) -> PeerEnd {
        self.club.sharing.choker().leave(self.id);
        let address = self.address;
        let (end, error) = match ended {
            End::Stopped => return PeerEnd::Stopped,
            End::Closed(why) => {
                let message = format!("failed to fetch from peer {address}: {why}");
                (PeerEnd::Lost { answered: true }, SourceError::transient(reason::UNREACHABLE, message))
            }
            End::Choked => {
                let message = format!("peer {address} gives nothing: it chokes us");
                (PeerEnd::Useless, SourceError::transient(reason::UNREACHABLE, message))
            }
            End::Fault(fault) => {
                let message = format!("peer {address} is dropped: {fault}");
                tracing::info!("{message}");
                match fault {
                    PeerFault::Corrupt(_) => (PeerEnd::Banned, SourceError::gone(reason::WRONG_BYTES, message)),
                    PeerFault::Wasteful => (PeerEnd::Banned, SourceError::gone(reason::WASTED_BYTES, message)),
                    PeerFault::Message(_) | PeerFault::Protocol(_) => {
                        (PeerEnd::Banned, SourceError::gone(reason::PROTOCOL_ERROR, message))
                    }
                    PeerFault::Snubbed | PeerFault::Silent => {
                        (PeerEnd::Useless, SourceError::transient(reason::UNREACHABLE, message))
                    }
                }
            }
        };
        if self.handle.is_none() {
            let _ = self.club.finds.send(Find::Gone { source: self.id, reason: error }).await;
        }
        end
    }
}

/// Puts a delivery behind the others, in one with the last where both are short.
fn put(ready: &mut VecDeque<Delivery>, next: Delivery) {
    if let Some(last) = ready.back_mut().filter(|last| last.content.len() + next.content.len() <= LUMP)
        && let Some(both) = Span::new(last.content.start(), next.content.end())
        && last.content.end() == next.content.start()
    {
        last.content = both;
        last.bytes.extend(next.bytes);
        match (&mut last.room, next.room) {
            (Some(room), Some(more)) => room.merge(more),
            (room, more) => *room = room.take().or(more),
        }
    } else {
        ready.push_back(next);
    }
}

async fn read(
    reader: &mut tokio::net::tcp::OwnedReadHalf,
    buffer: &mut BytesMut,
    cipher: Option<&mut super::encryption::Cipher>,
) -> std::io::Result<usize> {
    let from = buffer.len();
    if buffer.capacity() - from < wire::READ / 4 {
        buffer.reserve(READ.max(Message::wanting(buffer)));
    }
    let count = reader.read_buf(buffer).await?;
    if let Some(cipher) = cipher {
        cipher.apply(&mut buffer[from..]);
    }
    Ok(count)
}

/// The block that is being read for the peer; waits for ever when none is.
async fn read_for(gift: &mut Option<BoxFuture<'static, (Block, Option<Bytes>)>>) -> (Block, Option<Bytes>) {
    match gift {
        Some(gift) => gift.await,
        None => std::future::pending().await,
    }
}

/// A place in the lane's queue; `None` when the lane is gone. Waits for ever without a `slot`.
async fn reserve(slot: Option<mpsc::Sender<Delivery>>) -> Option<mpsc::OwnedPermit<Delivery>> {
    match slot {
        Some(slot) => slot.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}
