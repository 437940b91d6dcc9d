//! Peers that ask and drop: as cheap as can be, so that the seeder is what is measured.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
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

/// Waits until a seeder serves: one that still looks through its files refuses, or answers with nothing.
pub fn until_served(address: SocketAddr, torrent: &Arc<Metainfo>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..60 {
            let served = Arc::new(AtomicU64::new(0));
            let mut one = tokio::task::JoinSet::new();
            one.spawn(peer(address, Arc::clone(torrent), 0, Arc::default(), Arc::clone(&served)));
            // Transmission opens slots every ten seconds.
            for _ in 0..150 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if served.load(Ordering::Relaxed) > 0 {
                    return;
                }
                if one.try_join_next().is_some() {
                    break;
                }
            }
        }
        panic!("nothing is served at {address}");
    });
}

/// From an address of its own: Transmission takes one connection from each.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(u32::from_be_bytes([127, 1, 0, 1]));
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::from_bits(NEXT.fetch_add(1, Ordering::Relaxed)), 0).into())?;
    socket.connect(address).await
}

async fn peer(
    address: SocketAddr,
    torrent: Arc<Metainfo>,
    number: usize,
    bytes: Arc<AtomicU64>,
    served: Arc<AtomicU64>,
) {
    let Ok(mut stream) = connect(address).await else { return };
    let swarm = torrent.info.hashes().swarms()[0];
    let ours = Handshake { swarm, peer: new_peer_id(), extended: false, fast: true, v2: false };
    let mut out = BytesMut::from(&ours.encode()[..]);
    Message::HaveNone.put(&mut out);
    Message::Interested.put(&mut out);
    stream.write_all(&out).await.unwrap();
    let mut head = [0; handshake::LENGTH];
    if stream.read_exact(&mut head).await.is_err() {
        return;
    }
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
        let read = stream.read(&mut buffer).await.unwrap_or(0);
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
            let length = match prefix[..] {
                [0, 0, 0, 0, next] => {
                    // A keep-alive, and the first byte of what follows.
                    prefix = vec![next];
                    continue;
                }
                [a, b, c, d, _] => u32::from_be_bytes([a, b, c, d]) as usize,
                _ => continue,
            };
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
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
    }
}
