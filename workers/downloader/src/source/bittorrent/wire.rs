//! From an address to a connection that has shaken hands: TCP, plain or encrypted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use videocloud_protocol::torrent::InfoHash;

use super::encryption::{self, Cipher, NotEncrypted, Offer};
use super::handshake::{self, Handshake};
use crate::source::{Route, SourceError};

/// How long all handshakes may take.
const SHAKE: Duration = Duration::from_secs(10);
/// Room for one read, bytes.
pub(super) const READ: usize = 256 << 10;

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    Off,
    /// Plain first, encrypted where that is not answered.
    #[default]
    Fallback,
    /// Encrypted first, plain where that is not answered.
    Prefer,
    /// Always.
    Require,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// Nobody there, or nobody who answers.
    #[error(transparent)]
    Connect(#[from] SourceError),
    /// It took too long.
    #[error("failed to connect: no answer in time")]
    TimedOut,
    /// The connection ended within the handshake: a peer that wants the other kind does that.
    #[error("failed to shake hands: {0}")]
    Shake(io::Error),
    #[error("failed to shake hands: {0}")]
    Encryption(#[from] NotEncrypted),
    /// Another protocol, or another swarm.
    #[error("failed to shake hands: it speaks of something else")]
    Other,
    /// Ourselves.
    #[error("failed to shake hands: it is ourselves")]
    Ourselves,
}

/// A connection after the handshake.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    /// Bytes behind the handshake, in plain.
    pub(super) buffer: BytesMut,
    /// For sending and receiving.
    pub(super) ciphers: Option<(Cipher, Cipher)>,
    /// What the peer said.
    pub(super) theirs: Handshake,
}

/// Connects and shakes hands, in the ways that `encryption` allows.
///
/// `swarms` are all names of the torrent: a peer that is asked by the v1 name of a hybrid may answer by the v2 name (BEP 52).
pub(super) async fn open(
    route: &Route,
    address: SocketAddr,
    ours: Handshake,
    swarms: &[InfoHash],
    encryption: Encryption,
) -> Result<Wire, WireError> {
    let ways: &[bool] = match encryption {
        Encryption::Off => &[false],
        Encryption::Fallback => &[false, true],
        Encryption::Prefer => &[true, false],
        Encryption::Require => &[true],
    };
    let mut last = WireError::TimedOut;
    for &encrypted in ways {
        match attempt(route, address, ours, swarms, encrypted).await {
            Err(error @ (WireError::Shake(_) | WireError::Encryption(_) | WireError::TimedOut)) => last = error,
            done => return done,
        }
    }
    Err(last)
}

async fn attempt(
    route: &Route,
    address: SocketAddr,
    ours: Handshake,
    swarms: &[InfoHash],
    encrypted: bool,
) -> Result<Wire, WireError> {
    let stream = route.connect_to(address).await?;
    tokio::time::timeout(SHAKE, shake(stream, ours, swarms, encrypted)).await.map_err(|_| WireError::TimedOut)?
}

async fn shake(
    mut stream: TcpStream,
    ours: Handshake,
    swarms: &[InfoHash],
    encrypted: bool,
) -> Result<Wire, WireError> {
    let mut buffer = BytesMut::with_capacity(READ);
    let ciphers = if encrypted {
        encrypt(&mut stream, &mut buffer, ours.swarm, &ours.encode()).await?
    } else {
        stream.write_all(&ours.encode()).await.map_err(WireError::Shake)?;
        None
    };
    let mut ciphers = ciphers;
    if let Some((_, receive)) = &mut ciphers {
        receive.apply(&mut buffer);
    }
    while buffer.len() < handshake::LENGTH {
        let from = buffer.len();
        more(&mut stream, &mut buffer).await?;
        if let Some((_, receive)) = &mut ciphers {
            receive.apply(&mut buffer[from..]);
        }
        let known = buffer.len().min(handshake::PROTOCOL.len());
        if buffer[..known] != handshake::PROTOCOL[..known] {
            return Err(WireError::Other);
        }
    }
    let head = buffer.split_to(handshake::LENGTH);
    let theirs = head.first_chunk().and_then(Handshake::decode).ok_or(WireError::Other)?;
    if !swarms.contains(&theirs.swarm) {
        return Err(WireError::Other);
    }
    if theirs.peer == ours.peer {
        return Err(WireError::Ourselves);
    }
    Ok(Wire { stream, buffer, ciphers, theirs })
}

/// The initiator's side of the encryption; leaves what follows it, still encrypted, in `buffer`.
async fn encrypt(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    swarm: InfoHash,
    first: &[u8],
) -> Result<encryption::Agreed, WireError> {
    let (offer, sent) = Offer::new();
    stream.write_all(&sent).await.map_err(WireError::Shake)?;
    while buffer.len() < encryption::KEY {
        more(stream, buffer).await?;
    }
    let key = buffer.split_to(encryption::KEY);
    let key = key.first_chunk().ok_or(WireError::Other)?;
    let (mut answer, sent) = offer.answer(key, swarm, first)?;
    stream.write_all(&sent).await.map_err(WireError::Shake)?;
    let end = loop {
        match answer.find(buffer)? {
            Some(end) => break end,
            None => more(stream, buffer).await?,
        }
    };
    drop(buffer.split_to(end));
    Ok(answer.agreed())
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), WireError> {
    match stream.read_buf(buffer).await {
        Ok(0) => Err(WireError::Shake(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(()),
        Err(error) => Err(WireError::Shake(error)),
    }
}
