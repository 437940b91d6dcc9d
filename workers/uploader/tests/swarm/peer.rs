//! A peer that does as it is told, well-behaved or not.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use videocloud_protocol::{
    peer_wire::{
        handshake::{self, Handshake, new_peer_id},
        message::{Block, Message},
    },
    torrent::{InfoHash, Metainfo},
};

pub const BLOCK: u32 = 16 << 10;

pub struct Peer {
    pub stream: TcpStream,
    pub buffer: BytesMut,
}

impl Peer {
    /// Connects and shakes hands, with the fast extension or not.
    pub async fn connect(address: SocketAddr, swarm: InfoHash, fast: bool) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), swarm, fast).await
    }

    pub async fn over(mut stream: TcpStream, swarm: InfoHash, fast: bool) -> Self {
        let ours = Handshake { swarm, peer: new_peer_id(), extended: false, fast, v2: false };
        stream.write_all(&ours.encode()).await.unwrap();
        let mut answer = [0; handshake::LENGTH];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Handshake::decode(&answer).unwrap().swarm, swarm);
        Self { stream, buffer: BytesMut::new() }
    }

    pub async fn say(&mut self, message: &Message) {
        let mut bytes = BytesMut::new();
        message.put(&mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next message; `None` when the connection has ended.
    pub async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::take(&mut self.buffer).unwrap() {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Waits for a message of a kind.
    pub async fn until(&mut self, wanted: impl Fn(&Message) -> bool) -> Message {
        loop {
            let message = self.hear().await.expect("the seeder keeps the connection");
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Wants something, and waits until it may have it.
    pub async fn unchoked(&mut self) {
        self.say(&Message::Interested).await;
        self.until(|message| *message == Message::Unchoke).await;
    }

    /// Whether the seeder ends the connection, whatever it says before.
    pub async fn is_cut(&mut self) -> bool {
        let end = async { while self.hear().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(30), end).await.is_ok()
    }

    /// Fetches blocks from `first` on, wrapping, until `until` says so of the bytes that came. Checks each.
    pub async fn fetch(&mut self, torrent: &Metainfo, content: &[u8], mut done: impl FnMut(u64) -> bool) -> Fetched {
        let blocks: Vec<Block> = blocks(torrent);
        let (mut next, mut bytes, begun) = (0, 0, Instant::now());
        for _ in 0..16.min(blocks.len()) {
            self.say(&Message::Request(blocks[next % blocks.len()])).await;
            next += 1;
        }
        while !done(bytes) {
            match self.hear().await.expect("the seeder keeps the connection") {
                Message::Piece { index, begin, data } => {
                    let from = index as usize * torrent.info.piece_length() as usize + begin as usize;
                    assert!(content[from..from + data.len()] == data[..], "wrong bytes at {from}");
                    bytes += data.len() as u64;
                    self.say(&Message::Request(blocks[next % blocks.len()])).await;
                    next += 1;
                }
                // Its turn is over; it goes on when the next one comes.
                Message::Choke => panic!("nobody else waits for the slot"),
                _ => {}
            }
        }
        Fetched { bytes, elapsed: begun.elapsed() }
    }
}

pub struct Fetched {
    pub bytes: u64,
    pub elapsed: Duration,
}

impl Fetched {
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64()
    }
}

/// All blocks of a torrent.
pub fn blocks(torrent: &Metainfo) -> Vec<Block> {
    let mut blocks = Vec::new();
    for index in 0..torrent.info.pieces() {
        let length = u32::try_from(torrent.info.length_of(index)).unwrap();
        for begin in (0..length).step_by(BLOCK as usize) {
            blocks.push(Block { index: index as u32, begin, length: BLOCK.min(length - begin) });
        }
    }
    blocks
}
