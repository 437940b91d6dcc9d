//! A connection after its handshake: one half reads and tells the session, the other sends what the session owes, each byte paid for
//! before it goes. Both end together.

use std::{collections::VecDeque, io, io::IoSlice, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::Notify,
};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::peer_wire::{encryption::Cipher, handshake, message::Message};

use super::{
    Seeder,
    crowd::{Crowds, Membership},
    session::{Run, Violation},
    shake::Shaken,
};
use crate::{
    connections::wire::wire,
    rates::{Meter, Sending},
    source::{Blob, Library, Reader, reader::ReadError},
};

/// A peer that says nothing for this long is gone: clients send something every two minutes.
const SILENCE: Duration = Duration::from_secs(180);
/// One that wants nothing for this long makes room.
const IDLE: Duration = Duration::from_secs(300);
/// We say something at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// Time in which a reader takes something, whatever it is, and the least rate at which it takes more.
const PATIENCE: Duration = Duration::from_secs(20);
const LEAST_RATE: u64 = 2000;
/// Bytes sent in one go while nothing limits them.
const RUN: u64 = 256 << 10;
/// Bytes that wait to be sent from which on nothing more is read.
const FULL: usize = 512 << 10;
/// Room for one read, bytes. Requests are short.
const READ: usize = 16 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("{0}")]
    Store(#[from] ReadError),
    #[error("it said nothing for long")]
    Silent,
    #[error("it wanted nothing for long")]
    Idle,
    #[error("it does not take what it asked for")]
    Stuck,
    #[error("it has everything")]
    Finished,
    #[error("we are stopping")]
    Stopping,
}

impl Ended {
    /// A word for metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "ended",
            Self::Violation(_) => "violation",
            Self::Store(_) => "store",
            Self::Silent => "silent",
            Self::Idle => "idle",
            Self::Stuck => "stuck",
            Self::Finished => "finished",
            Self::Stopping => "stopping",
        }
    }
}

/// Serves a peer to its end.
pub(super) async fn serve(
    stream: &mut TcpStream,
    meter: &Meter,
    shaken: Shaken,
    membership: Membership<'_>,
    seeder: &Seeder,
    closing: &CancellationToken,
) -> Ended {
    let (send, receive) = match shaken.ciphers {
        Some((send, receive)) => (Some(send), Some(receive)),
        None => (None, None),
    };
    let (input, output) = stream.split();
    let drained = Notify::new();
    let link = Link { membership: &membership, crowds: &seeder.crowds, drained: &drained };
    let reading = link.read(input, shaken.buffer, receive);
    let blob = Blob::Content(membership.crowd.content);
    // Both handshakes went by before it was known who pays for them.
    membership.crowd.sending.charge(handshake::LENGTH as u64);
    let (sending, seeded) = (&membership.crowd.sending, seeder.metrics.seeded());
    let writing = link.write(Writer { output, cipher: send, sending, meter, seeded }, &seeder.library, &blob);
    let ended = tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
        () = closing.cancelled() => Ok(Ended::Stopping),
    };
    ended.unwrap_or_else(|ended| ended)
}

struct Link<'a> {
    membership: &'a Membership<'a>,
    crowds: &'a Crowds,
    drained: &'a Notify,
}

impl Link<'_> {
    async fn read(
        &self,
        mut input: ReadHalf<'_>,
        mut buffer: BytesMut,
        mut cipher: Option<Cipher>,
    ) -> Result<Ended, Ended> {
        let peer = &self.membership.peer;
        let longest = peer.session().longest();
        let mut wanted = self.crowds.now();
        loop {
            let now = self.crowds.now();
            let waiting = {
                let mut session = peer.session();
                while let Some(message) = Message::take_within(&mut buffer, longest).map_err(Violation::from)? {
                    session.on(now, message)?;
                }
                if session.interested() {
                    wanted = now;
                }
                session.waiting()
            };
            if self.membership.heard() {
                return Ok(Ended::Finished);
            }
            peer.wake.notify_one();
            if now.saturating_sub(wanted) >= IDLE {
                return Ok(Ended::Idle);
            }
            if waiting >= FULL {
                self.drained.notified().await;
                continue;
            }
            buffer.reserve(READ);
            let from = buffer.len();
            let read =
                tokio::time::timeout(SILENCE, input.read_buf(&mut buffer)).await.map_err(|_| Ended::Silent)??;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some(cipher) = &mut cipher {
                cipher.apply(&mut buffer[from..]);
            }
        }
    }

    async fn write(&self, mut writer: Writer<'_>, library: &Library, blob: &Blob) -> Result<Ended, Ended> {
        let peer = &self.membership.peer;
        let size = peer.session().size();
        let mut reader: Option<Reader> = None;
        loop {
            let most = writer.sending.piece(RUN);
            let (out, run) = {
                let mut session = peer.session();
                (session.take_out(), session.next_run(most))
            };
            if !out.is_empty() {
                writer.send(VecDeque::from([out])).await?;
                self.drained.notify_one();
            }
            match run {
                Some(run) => {
                    let reader = match &mut reader {
                        Some(reader) => reader,
                        None => reader.insert(library.open(blob, size).await.map_err(ReadError::from)?),
                    };
                    let frames = frames(reader, &run).await?;
                    writer.send(frames).await?;
                }
                None => {
                    writer.settle();
                    // Nobody waits for bytes now: the file need not stay open.
                    if tokio::time::timeout(KEEP_ALIVE, peer.wake.notified()).await.is_err() {
                        reader = None;
                        peer.session().keep_alive();
                    }
                }
            }
        }
    }
}

/// Reads a run and puts the messages around its blocks.
async fn frames(reader: &mut Reader, run: &Run) -> Result<VecDeque<Bytes>, ReadError> {
    let (mut at, end) = (run.offset, run.offset + run.length);
    let mut data = VecDeque::new();
    while at < end {
        let bytes = reader.read(at, end - at, run.end).await?;
        at += bytes.len() as u64;
        data.push_back(bytes);
    }
    let mut heads = BytesMut::with_capacity(13 * run.blocks.len());
    let mut frames = VecDeque::with_capacity(2 * run.blocks.len() + data.len());
    for block in &run.blocks {
        heads.put_u32(9 + block.length);
        heads.put_u8(7);
        heads.put_u32(block.index);
        heads.put_u32(block.begin);
        frames.push_back(heads.split().freeze());
        let mut missing = block.length as usize;
        while let Some(first) = data.front_mut().filter(|_| missing > 0) {
            let part = first.split_to(missing.min(first.len()));
            missing -= part.len();
            frames.push_back(part);
            if first.is_empty() {
                data.pop_front();
            }
        }
    }
    Ok(frames)
}

struct Writer<'a> {
    output: WriteHalf<'a>,
    cipher: Option<Cipher>,
    sending: &'a Sending,
    meter: &'a Meter,
    seeded: Counter,
}

impl Writer<'_> {
    /// Sends all of `chunks` at the rate allowed.
    async fn send(&mut self, mut chunks: VecDeque<Bytes>) -> Result<(), Ended> {
        if let Some(cipher) = &mut self.cipher {
            let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
            chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
            cipher.apply(&mut whole);
            chunks = VecDeque::from([whole.freeze()]);
        }
        let mut left: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        while left > 0 {
            let allowed = match self.sending.try_pass(self.meter, left) {
                Some(allowed) => allowed,
                None => self.sending.pass(self.meter, left).await,
            };
            // Counted before: a connection that ends meanwhile does not say how much of it went.
            self.sending.sent(self.meter, allowed, allowed);
            self.seeded.inc_by(allowed);
            let patience = PATIENCE + Duration::from_secs(allowed / LEAST_RATE);
            let written = tokio::time::timeout(patience, write(&mut self.output, &mut chunks, allowed)).await;
            match written {
                Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => return Err(error.into()),
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Ended::Stuck),
            }
            left -= allowed;
            self.settle();
        }
        Ok(())
    }

    /// Settles what the connection costs, when it is time: whoever only talks is answered by acknowledgements.
    fn settle(&self) {
        if self.meter.is_due()
            && let Some(wire) = wire(self.output.as_ref())
        {
            self.meter.settle(&wire);
        }
    }
}

/// Writes the first `length` bytes of `chunks`, and takes them out.
async fn write(output: &mut WriteHalf<'_>, chunks: &mut VecDeque<Bytes>, length: u64) -> io::Result<()> {
    let mut left = usize::try_from(length).unwrap_or(usize::MAX);
    while left > 0 {
        let mut slices = [IoSlice::new(&[]); 64];
        let (mut count, mut room) = (0, left);
        for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
            *slice = IoSlice::new(&chunk[..chunk.len().min(room)]);
            room -= slice.len();
            count += 1;
            if room == 0 {
                break;
            }
        }
        let attempt = tokio::time::timeout(PATIENCE, output.write_vectored(&slices[..count])).await;
        let mut written = attempt.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        left -= written;
        while let Some(first) = chunks.front_mut().filter(|_| written > 0) {
            let part = written.min(first.len());
            drop(first.split_to(part));
            written -= part;
            if first.is_empty() {
                chunks.pop_front();
            }
        }
    }
    Ok(())
}
