//! A peer as the engine asks it: a [`Source`] whose one lane hands orders to the peer's task and gets verified
//! pieces back, or parts of pieces that are too long for one peer.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use videocloud_protocol::failure::reason;

use crate::schedule::Span;
use crate::source::{Ask, BoxFuture, Connection, Manner, Opened, Source, SourceError, Validator};

/// Bytes for a lane, with the room they take. No bytes say only that the peer is at work.
pub(super) struct Delivery {
    pub(super) content: Span,
    pub(super) bytes: Vec<Bytes>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// An order: what to fetch, and where the pieces go. It ends when `pieces` closes.
pub(super) struct Fetch {
    pub(super) span: Span,
    pub(super) pieces: mpsc::Sender<Delivery>,
}

/// A peer as the engine asks it.
pub(super) struct PeerSource {
    pub(super) address: SocketAddr,
    pub(super) size: u64,
    pub(super) commands: mpsc::Sender<Fetch>,
    /// It gives whole pieces, each of which has its hash.
    pub(super) verified: bool,
}

impl Source for PeerSource {
    fn host(&self) -> String {
        format!("peer {}", self.address)
    }

    fn is_server(&self) -> bool {
        false
    }

    fn manner(&self) -> Manner {
        Manner { lanes: Some(1), longest: None, verified: self.verified }
    }

    fn connect(&self) -> Box<dyn Connection> {
        let lane = PeerLane {
            address: self.address,
            size: self.size,
            commands: self.commands.clone(),
            pieces: None,
            bytes: VecDeque::new(),
            room: None,
            position: 0,
            end: 0,
        };
        Box::new(lane)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move { Ok(opened(0, self.size)) })
    }
}

fn opened(start: u64, size: u64) -> Opened {
    Opened { start, size: Some(size), ranges: true, validator: Validator::default(), mime: None }
}

struct PeerLane {
    address: SocketAddr,
    size: u64,
    commands: mpsc::Sender<Fetch>,
    pieces: Option<mpsc::Receiver<Delivery>>,
    bytes: VecDeque<Bytes>,
    room: Option<OwnedSemaphorePermit>,
    position: u64,
    end: u64,
}

impl PeerLane {
    fn lost(&self) -> SourceError {
        let message = format!("failed to fetch from peer {}: it gives nothing more", self.address);
        SourceError::transient(reason::UNREACHABLE, message)
    }

    /// Takes in a delivery, without what lies before the position.
    fn take(&mut self, delivery: Delivery) -> Result<(), SourceError> {
        let Delivery { content, mut bytes, room } = delivery;
        let mut skip = self.position.checked_sub(content.start()).ok_or_else(|| self.lost())?;
        bytes.retain_mut(|part| {
            let cut = usize::try_from(skip).unwrap_or(usize::MAX).min(part.len());
            skip -= cut as u64;
            drop(part.split_to(cut));
            !part.is_empty()
        });
        (self.bytes, self.room) = (bytes.into(), room);
        Ok(())
    }
}

impl Connection for PeerLane {
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move {
            self.bytes.clear();
            self.room = None;
            (self.position, self.end) = (ask.span.start(), ask.span.end().min(self.size));
            let span = Span::new(self.position, self.end).ok_or_else(|| self.lost())?;
            let (sender, receiver) = mpsc::channel(1);
            self.commands.send(Fetch { span, pieces: sender }).await.map_err(|_| self.lost())?;
            self.pieces = Some(receiver);
            Ok(opened(self.position, self.size))
        })
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            loop {
                if let Some(part) = self.bytes.pop_front() {
                    self.position += part.len() as u64;
                    return Ok(Some(part));
                }
                self.room = None;
                if self.position >= self.end {
                    self.pieces = None;
                    return Ok(None);
                }
                let Some(pieces) = &mut self.pieces else { return Err(self.lost()) };
                let Some(delivery) = pieces.recv().await else { return Err(self.lost()) };
                if delivery.bytes.is_empty() {
                    return Ok(Some(Bytes::new()));
                }
                self.take(delivery)?;
            }
        })
    }
}
