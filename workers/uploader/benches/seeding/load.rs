//! Peers that ask and drop: as cheap as can be, so that the seeder is what is measured.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
    torrent::Metainfo,
};

const BLOCK: u32 = 16 << 10;
/// Requests that wait at once.
const AHEAD: usize = 64;
const READ: usize = 256 << 10;

/// Bytes of blocks that came within about `seconds`, once every peer had got some, and how long it was.
pub fn run(address: SocketAddr, torrent: &Arc<Metainfo>, connections: usize, seconds: u64) -> (u64, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (bytes, served) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut peers = tokio::task::JoinSet::new();
        for number in 0..connections {
            peers.spawn(peer(address, Arc::clone(torrent), number, Arc::clone(&bytes), Arc::clone(&served)));
        }
        while served.load(Ordering::Relaxed) < connections as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Some(ended) = peers.try_join_next() {
                ended.unwrap();
                panic!("a peer was cut");
            }
        }
        let (from, begun) = (bytes.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let result = (bytes.load(Ordering::Relaxed) - from, begun.elapsed().as_secs_f64());
        peers.shutdown().await;
        result
    })
}

async fn peer(
    address: SocketAddr,
    torrent: Arc<Metainfo>,
    number: usize,
    bytes: Arc<AtomicU64>,
    served: Arc<AtomicU64>,
) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let swarm = torrent.info.hashes().swarms()[0];
    let ours = Handshake { swarm, peer: new_peer_id(), extended: false, fast: true, v2: false };
    let mut out = BytesMut::from(&ours.encode()[..]);
    Message::HaveNone.put(&mut out);
    Message::Interested.put(&mut out);
    stream.write_all(&out).await.unwrap();
    let mut head = [0; handshake::LENGTH];
    stream.read_exact(&mut head).await.unwrap();
    let blocks = torrent.info.total() / u64::from(BLOCK);
    let per_piece = torrent.info.piece_length() / u64::from(BLOCK);
    let mut next = number as u64 * 997 % blocks;
    let mut ask = |out: &mut BytesMut| {
        let (index, begin) = ((next / per_piece) as u32, (next % per_piece) as u32 * BLOCK);
        Message::Request(Block { index, begin, length: BLOCK }).put(out);
        next = (next + 1) % blocks;
    };
    let mut buffer = vec![0; READ].into_boxed_slice();
    // Of the message that comes: the head as far as it is there, and what is left of its body.
    let (mut prefix, mut left, mut first) = (Vec::with_capacity(5), 0_usize, true);
    out.clear();
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return;
        }
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            if left > 0 {
                let part = left.min(rest.len());
                (left, rest) = (left - part, &rest[part..]);
                continue;
            }
            let part = (5 - prefix.len()).min(rest.len());
            prefix.extend_from_slice(&rest[..part]);
            rest = &rest[part..];
            if prefix.len() < 5 {
                continue;
            }
            let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize;
            left = length - 1;
            match prefix[4] {
                1 => (0..AHEAD).for_each(|_| ask(&mut out)),
                7 => {
                    bytes.fetch_add(length as u64 - 9, Ordering::Relaxed);
                    if std::mem::take(&mut first) {
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    ask(&mut out);
                }
                _ => {}
            }
            prefix.clear();
        }
        if !out.is_empty() {
            stream.write_all(&out).await.unwrap();
            out.clear();
        }
    }
}
