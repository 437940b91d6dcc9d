//! A store with many contents, the uploader on it, and a peer for each that asks and notes when how much came.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use sha2::Digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId},
    peer_wire::{
        handshake::{self, Handshake, new_peer_id},
        message::{Block, Message},
    },
    torrent::{Metainfo, make::Hasher},
};
use videocloud_store::{Durability, Store};

const BLOCK: u32 = 16 << 10;
const SIZE: usize = 1 << 20;
/// Requests that wait at once.
const AHEAD: usize = 64;
/// Parts of a second that arrivals are noted in.
const PARTS: f64 = 100.0;

pub struct Content {
    pub id: String,
    torrent: Arc<Metainfo>,
}

/// A store below `folder` with `count` contents.
pub fn store(folder: &Path, count: usize) -> Vec<Content> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let publish = |number: usize| {
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + at / 999 + 31 * number) as u8).collect();
        let id = ContentId::from_bytes(sha2::Sha256::digest(&bytes).into());
        let mut manifest = ContentManifest {
            id,
            size: SIZE as u64,
            mime: "video/mp4".into(),
            hashes: ContentHashes::default(),
            verification: Verification::SingleSource,
            visibility: Visibility::Public,
            created: 1_700_000_000,
        };
        let mut hasher = Hasher::new(SIZE as u64);
        hasher.update(&bytes);
        let torrents = hasher.finish().unwrap().torrents(&manifest.file_name(), true).unwrap();
        manifest.hashes.info_hash_v1 = torrents.hashes().v1().map(|hash| hash.to_string());
        manifest.hashes.info_hash_v2 = torrents.hashes().v2().map(|hash| hash.to_string());
        runtime.block_on(async {
            let store = Store::open_folder(&folder.join("store"), Durability::Kill).unwrap();
            let staging = store.stage(&ClaimKey::derive([id.as_bytes().as_slice()])).await.unwrap();
            staging.write_at(0, bytes.into()).await.unwrap();
            staging.publish(&manifest).await.unwrap();
        });
        Content { id: id.to_string(), torrent: torrents.v1 }
    };
    (0..count).map(publish).collect()
}

pub struct Seeder {
    pub address: SocketAddr,
    child: Child,
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The uploader, held to a table and a capacity.
pub fn uploader(folder: &Path, table: &Path, capacity: u64) -> Seeder {
    let mut child = Command::new(env!("CARGO_BIN_EXE_videocloud-uploader"))
        .arg("--store")
        .arg(folder.join("store"))
        .arg("--table")
        .arg(table)
        .args(["--capacity", &capacity.to_string(), "--max-peers-per-address", "0", "--log-format", "json"])
        .args(["--http", "127.0.0.1:0", "--bittorrent", "127.0.0.1:0"])
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = |line: std::io::Result<String>| {
        let entry: serde_json::Value = serde_json::from_str(&line.unwrap()).ok()?;
        entry["fields"]["bittorrent"].as_str()?.parse().ok()
    };
    let address = lines.find_map(said).expect("the uploader ended");
    std::thread::spawn(move || lines.for_each(drop));
    Seeder { address, child }
}

/// Bytes that came to one peer, by hundredths of a second since the start.
pub struct Arrivals(Vec<u64>);

impl Arrivals {
    fn sum(&self, from: f64, seconds: f64) -> u64 {
        let first = (from * PARTS).round() as usize;
        self.0.iter().skip(first).take((seconds * PARTS).round() as usize).sum()
    }

    /// `count` windows of a second from `from` on.
    pub fn windows(&self, from: f64, count: usize) -> Vec<u64> {
        (0..count).map(|at| self.sum(from + at as f64, 1.0)).collect()
    }

    /// Seconds after `at` from which on a second has `rate`, within a tenth.
    pub fn holds_after(&self, at: f64, rate: f64) -> f64 {
        let holds = |after: f64| (self.sum(at + after, 1.0) as f64 / rate - 1.0).abs() <= 0.1;
        (0..30).map(|tenth| f64::from(tenth) / 10.0).find(|after| holds(*after)).unwrap_or(f64::INFINITY)
    }

    /// The largest second after `at`, as a multiple of `rate`; seconds begin every tenth.
    pub fn largest(&self, at: f64, rate: f64) -> f64 {
        (0..40).map(|tenth| self.sum(at + f64::from(tenth) / 10.0, 1.0) as f64 / rate).fold(0.0, f64::max)
    }
}

/// All peers, in a thread of their own.
pub struct Peers {
    began: Instant,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Vec<Arrivals>>,
}

impl Peers {
    pub fn start(address: SocketAddr, contents: &[Content]) -> Self {
        let torrents: Vec<Arc<Metainfo>> = contents.iter().map(|content| Arc::clone(&content.torrent)).collect();
        let (stop, stopped) = oneshot::channel();
        let began = Instant::now();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (over, _) = tokio::sync::watch::channel(false);
                let spawn = |torrent| tokio::spawn(peer(address, torrent, began, over.subscribe()));
                let peers: Vec<_> = torrents.into_iter().map(spawn).collect();
                let _ = stopped.await;
                over.send_replace(true);
                let mut all = Vec::new();
                for peer in peers {
                    all.push(Arrivals(peer.await.unwrap()));
                }
                all
            })
        });
        Self { began, stop, thread }
    }

    /// Seconds since the start.
    pub fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    pub fn stop(self) -> Vec<Arrivals> {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

async fn peer(
    address: SocketAddr,
    torrent: Arc<Metainfo>,
    began: Instant,
    mut over: tokio::sync::watch::Receiver<bool>,
) -> Vec<u64> {
    let swarm = torrent.info.hashes().swarms()[0];
    let mut stream = loop {
        // The torrents are found a moment after the start.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let ours = Handshake { swarm, peer: new_peer_id(), extended: false, fast: true, v2: false };
        let mut out = BytesMut::from(&ours.encode()[..]);
        Message::HaveNone.put(&mut out);
        Message::Interested.put(&mut out);
        stream.write_all(&out).await.unwrap();
        let mut head = [0; handshake::LENGTH];
        if stream.read_exact(&mut head).await.is_ok() {
            break stream;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let (per_piece, blocks) = (torrent.info.piece_length() / u64::from(BLOCK), torrent.info.total() / u64::from(BLOCK));
    let (mut next, mut arrivals, mut buffer) = (0, Vec::new(), BytesMut::new());
    let mut out = BytesMut::new();
    loop {
        let read = tokio::select! {
            read = stream.read_buf(&mut buffer) => read.unwrap(),
            _ = over.changed() => return arrivals,
        };
        assert!(read > 0, "the seeder keeps its peers");
        let part = (began.elapsed().as_secs_f64() * PARTS) as usize;
        if arrivals.len() <= part {
            arrivals.resize(part + 1, 0);
        }
        arrivals[part] += read as u64;
        let mut asks = 0;
        while let Some(message) = Message::take(&mut buffer).unwrap() {
            match message {
                Message::Unchoke => asks += AHEAD,
                Message::Piece { .. } => asks += 1,
                _ => {}
            }
        }
        for _ in 0..asks {
            let (index, begin) = ((next / per_piece) as u32, (next % per_piece) as u32 * BLOCK);
            Message::Request(Block { index, begin, length: BLOCK }).put(&mut out);
            next = (next + 1) % blocks;
        }
        if !out.is_empty() {
            stream.write_all(&out).await.unwrap();
            out.clear();
        }
    }
}
