//! The info dictionary of a magnet link from peers (BEP 9), and piece layers of v2 files (BEP 52).
//!
//! A peer is asked for all parts; what it gives counts only when it has the hash that the link names, so a peer that lies only
//! loses its turn. Several peers are asked side by side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use videocloud_protocol::torrent::merkle::{self, BLOCK, Hash};
use videocloud_protocol::torrent::{Info, InfoError, InfoHash, InfoHashes};

use super::extension::{self, METADATA, METADATA_PART, Metadata};
use super::handshake::{Handshake, PeerId};
use super::message::{HashAsk, Message, MessageError};
use super::wire::{self, Encryption, READ, Wire, WireError};
use crate::source::Route;

/// How long one peer may take for everything.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Requests that wait at once.
const WAITING: usize = 4;
/// Hashes of one request.
const HASHES: usize = 512;

/// Why a peer did not give it.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("it sent {0}")]
    Message(#[from] MessageError),
    #[error("it broke the connection: {0}")]
    Io(#[from] std::io::Error),
    #[error("it took longer than {} s", TIMEOUT.as_secs())]
    TimedOut,
    #[error("it does not give the metadata")]
    Refused,
    /// Other bytes than the link names: the peer lies.
    #[error("what it gave has another hash")]
    Wrong,
    /// The right bytes, and they are no torrent that can be used: no peer can give others.
    #[error(transparent)]
    Info(#[from] InfoError),
}

/// How peers are spoken to.
pub(super) struct Voice {
    pub(super) route: Route,
    pub(super) swarm: InfoHash,
    pub(super) hashes: InfoHashes,
    pub(super) peer: PeerId,
    pub(super) encryption: Encryption,
}

/// Asks the peer at `address` for the info dictionary that `hashes` name.
pub(super) async fn info(address: SocketAddr, voice: Voice) -> Result<Info, MetadataError> {
    let fetch = async {
        let mut talk = Talk::open(address, &voice).await?;
        let raw = talk.metadata().await?;
        if !voice.hashes.match_info(&raw) {
            return Err(MetadataError::Wrong);
        }
        Ok(Info::parse(raw)?)
    };
    tokio::time::timeout(TIMEOUT, fetch).await.map_err(|_| MetadataError::TimedOut)?
}

/// Asks the peer at `address` for the piece layer of file `index`.
pub(super) async fn layer(
    address: SocketAddr,
    voice: Voice,
    info: Arc<Info>,
    index: usize,
) -> Result<Vec<Hash>, MetadataError> {
    let fetch = async {
        let file = info.files().get(index).ok_or(MetadataError::Refused)?;
        let root = file.root.ok_or(MetadataError::Refused)?;
        let mut talk = Talk::open(address, &voice).await?;
        talk.layer(root, file.length, info.piece_length()).await
    };
    tokio::time::timeout(TIMEOUT, fetch).await.map_err(|_| MetadataError::TimedOut)?
}

/// A connection that is used for questions only.
struct Talk {
    wire: Wire,
    out: BytesMut,
}

impl Talk {
    async fn open(address: SocketAddr, voice: &Voice) -> Result<Self, MetadataError> {
        let v2 = voice.hashes.v2().is_some();
        let ours = Handshake { swarm: voice.swarm, peer: voice.peer, extended: true, fast: true, v2 };
        let wire = wire::open(&voice.route, address, ours, &voice.hashes.swarms(), voice.encryption).await?;
        let mut talk = Self { out: BytesMut::new(), wire };
        if talk.wire.theirs.fast {
            talk.say(&Message::HaveNone);
        }
        if talk.wire.theirs.extended {
            talk.say(&Message::Extended { id: 0, payload: extension::hello(false).into() });
        }
        Ok(talk)
    }

    fn say(&mut self, message: &Message) {
        let mut bytes = BytesMut::new();
        message.put(&mut bytes);
        if let Some((send, _)) = &mut self.wire.ciphers {
            send.apply(&mut bytes);
        }
        self.out.unsplit(bytes);
    }

    /// Sends what was said, and waits for the next message.
    async fn hear(&mut self) -> Result<Message, MetadataError> {
        self.wire.stream.write_all_buf(&mut self.out).await?;
        loop {
            if let Some(message) = Message::take(&mut self.wire.buffer)? {
                return Ok(message);
            }
            let from = self.wire.buffer.len();
            self.wire.buffer.reserve(READ);
            if self.wire.stream.read_buf(&mut self.wire.buffer).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            if let Some((_, receive)) = &mut self.wire.ciphers {
                receive.apply(&mut self.wire.buffer[from..]);
            }
        }
    }

    async fn metadata(&mut self) -> Result<Bytes, MetadataError> {
        if !self.wire.theirs.extended {
            return Err(MetadataError::Refused);
        }
        let abilities = loop {
            if let Message::Extended { id: 0, payload } = self.hear().await? {
                break extension::abilities(&payload);
            }
        };
        let (Some(id), Some(size)) = (abilities.metadata, abilities.metadata_size) else {
            return Err(MetadataError::Refused);
        };
        let count = size.div_ceil(METADATA_PART);
        // Grows with what comes: the size is only a claim.
        let mut parts: Vec<Bytes> = Vec::new();
        let mut asked = 0;
        while parts.len() < count {
            while asked < count.min(parts.len() + WAITING) {
                let part = u32::try_from(asked).unwrap_or(u32::MAX);
                self.say(&Message::Extended { id, payload: Metadata::Request(part).encode().into() });
                asked += 1;
            }
            let Message::Extended { id: METADATA, payload } = self.hear().await? else { continue };
            match Metadata::decode(&payload) {
                Some(Metadata::Data { part, bytes }) if part as usize == parts.len() => {
                    let wanted = (size - parts.len() * METADATA_PART).min(METADATA_PART);
                    if bytes.len() != wanted {
                        return Err(MetadataError::Wrong);
                    }
                    parts.push(bytes);
                }
                Some(Metadata::Data { .. } | Metadata::Reject(_)) => return Err(MetadataError::Refused),
                _ => {}
            }
        }
        Ok(parts.concat().into())
    }

    async fn layer(&mut self, root: Hash, length: u64, piece_length: u64) -> Result<Vec<Hash>, MetadataError> {
        let pieces = usize::try_from(length.div_ceil(piece_length)).map_err(|_| MetadataError::Refused)?;
        let layer = (piece_length / BLOCK as u64).ilog2();
        // Layers from that of the pieces up to the root.
        let height = pieces.next_power_of_two().ilog2();
        let mut hashes: Vec<Hash> = Vec::with_capacity(pieces);
        while hashes.len() < pieces {
            let index = hashes.len();
            let width = HASHES.min((pieces - index).next_power_of_two()).max(2);
            let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let known = width.ilog2();
            let proofs = if height > known { height - 1 } else { 0 };
            let ask = HashAsk { root, layer, index: narrow(index), length: narrow(width), proofs };
            self.say(&Message::HashRequest(ask));
            let found = loop {
                match self.hear().await? {
                    Message::Hashes(of, found) if of == ask => break found,
                    Message::HashReject(of) if of == ask => return Err(MetadataError::Refused),
                    _ => {}
                }
            };
            let (nodes, uncles) = found.split_at_checked(width).ok_or(MetadataError::Wrong)?;
            if uncles.len() != (height - known.min(height)) as usize || !merkle::proves(nodes, index, uncles, &root) {
                return Err(MetadataError::Wrong);
            }
            hashes.extend(nodes.iter().take(pieces - index));
        }
        Ok(hashes)
    }
}
