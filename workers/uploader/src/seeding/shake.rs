//! The opening of a connection, plain or encrypted, up to both handshakes: which swarm the peer means, and that we have it.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use videocloud_protocol::{
    ids::ContentId,
    peer_wire::{
        acceptance::{Acceptor, obfuscated},
        encryption::{self, Cipher, NotEncrypted},
        handshake::{self, Handshake, PeerId},
    },
    torrent::InfoHash,
};

use crate::torrents::Collection;

/// How long all of it may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShakeError {
    #[error("the connection ended: {0}")]
    Io(#[from] io::Error),
    #[error("it speaks of something else")]
    Other,
    #[error("it asks for a torrent that is not here")]
    Unknown,
    #[error("it took too long")]
    TimedOut,
}

impl From<NotEncrypted> for ShakeError {
    fn from(_: NotEncrypted) -> Self {
        Self::Other
    }
}

impl ShakeError {
    /// A word for metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "ended",
            Self::Other => "no_handshake",
            Self::Unknown => "unknown_torrent",
            Self::TimedOut => "silent",
        }
    }
}

/// A peer after its opening.
pub(super) struct Shaken {
    pub(super) content: ContentId,
    pub(super) theirs: Handshake,
    /// What came behind the handshake, in plain.
    pub(super) buffer: BytesMut,
    /// For sending and receiving.
    pub(super) ciphers: Option<(Cipher, Cipher)>,
}

/// Opens a connection that was accepted.
pub(super) async fn shake(stream: &mut TcpStream, torrents: &Collection, ours: PeerId) -> Result<Shaken, ShakeError> {
    tokio::time::timeout(TIMEOUT, open(stream, torrents, ours)).await.map_err(|_| ShakeError::TimedOut)?
}

async fn open(stream: &mut TcpStream, torrents: &Collection, ours: PeerId) -> Result<Shaken, ShakeError> {
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        let known = buffer.len().min(handshake::PROTOCOL.len());
        if buffer[..known] != handshake::PROTOCOL[..known] {
            let (ciphers, buffer) = encrypted(stream, torrents, buffer).await?;
            return greet(stream, torrents, ours, buffer, ciphers).await;
        }
        if known == handshake::PROTOCOL.len() {
            return greet(stream, torrents, ours, buffer, None).await;
        }
        more(stream, &mut buffer).await?;
    }
}

/// Reads their handshake and answers it.
async fn greet(
    stream: &mut TcpStream,
    torrents: &Collection,
    peer: PeerId,
    mut buffer: BytesMut,
    mut ciphers: Option<(Cipher, Cipher)>,
) -> Result<Shaken, ShakeError> {
    while buffer.len() < handshake::LENGTH {
        let from = buffer.len();
        more(stream, &mut buffer).await?;
        if let Some((_, receive)) = &mut ciphers {
            receive.apply(&mut buffer[from..]);
        }
    }
    let head = buffer.split_to(handshake::LENGTH);
    let theirs = head.first_chunk().and_then(Handshake::decode).ok_or(ShakeError::Other)?;
    if theirs.peer == peer {
        return Err(ShakeError::Other);
    }
    let content = torrents.find(&theirs.swarm).ok_or(ShakeError::Unknown)?;
    // No torrent of ours is hybrid: there is nothing to change over to.
    let ours = Handshake { swarm: theirs.swarm, peer, extended: true, fast: true, v2: false };
    let mut answer = ours.encode();
    if let Some((send, _)) = &mut ciphers {
        send.apply(&mut answer);
    }
    stream.write_all(&answer).await?;
    Ok(Shaken { content, theirs, buffer, ciphers })
}

/// The acceptor's side of the encryption. Returns what follows it, in plain, as far as it came.
async fn encrypted(
    stream: &mut TcpStream,
    torrents: &Collection,
    mut buffer: BytesMut,
) -> Result<(encryption::Agreed, BytesMut), ShakeError> {
    while buffer.len() < encryption::KEY {
        more(stream, &mut buffer).await?;
    }
    let key = buffer.split_to(encryption::KEY);
    let (acceptor, sent) = Acceptor::new();
    let sought = acceptor.secret(key.first_chunk().ok_or(ShakeError::Other)?)?;
    stream.write_all(&sent).await?;
    let (end, hidden) = loop {
        match sought.find(&buffer)? {
            Some(found) => break found,
            None => more(stream, &mut buffer).await?,
        }
    };
    drop(buffer.split_to(end));
    let swarm: InfoHash = torrents.reveal(&hidden).ok_or(ShakeError::Unknown)?;
    debug_assert_eq!(obfuscated(&swarm), hidden);
    let mut offered = sought.swarm(swarm)?;
    let choice = loop {
        match offered.read(&mut buffer)? {
            Some(choice) => break choice,
            None => more(stream, &mut buffer).await?,
        }
    };
    let mut accepted = offered.accept(choice);
    stream.write_all(&accepted.answer).await?;
    if let Some((_, receive)) = &mut accepted.agreed {
        receive.apply(&mut buffer);
    }
    let mut plain = BytesMut::from(&accepted.first[..]);
    plain.unsplit(buffer);
    Ok((accepted.agreed, plain))
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), ShakeError> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}
