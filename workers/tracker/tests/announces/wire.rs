//! Peers by hand: the bytes of BEP 15 and of HTTP announces, and a tracker for them.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use tempfile::TempDir;
use videocloud_protocol::content::{ContentHashes, ContentManifest, Visibility};
use videocloud_tracker::{Delivery, bittorrent::udp::UdpServer, swarms::SwarmSettings};

use crate::support::{Running, content, hex, http, sqlite};

pub const KNOWN: [u8; 20] = [1; 20];
pub const SECRET: [u8; 20] = [2; 20];
pub const UNKNOWN: [u8; 20] = [9; 20];

/// A tracker with HTTP and UDP that knows two torrents, one of a namespace.
pub struct Tracker {
    pub running: Running,
    udp: UdpServer,
}

pub fn settings(change: impl FnOnce(&mut SwarmSettings)) -> Delivery {
    let mut swarms = SwarmSettings::default();
    change(&mut swarms);
    Delivery { swarms, announce_key: Some(crate::support::key()), announce_bases: Vec::new() }
}

impl Tracker {
    pub async fn start(folder: &TempDir, settings: Delivery) -> Self {
        let running = Running::delivering(&sqlite(folder.path()), settings).await;
        let udp =
            UdpServer::start((Ipv4Addr::LOCALHOST, 0).into(), 2, &running.tracker.swarms, &running.tracker.counts);
        let tracker = Self { running, udp: udp.unwrap() };
        tracker.running.tracker.swarms.know(&manifest(1, KNOWN, Visibility::Public));
        tracker.running.tracker.swarms.know(&manifest(2, SECRET, Visibility::Namespace("team".into())));
        tracker
    }

    pub fn peer(&self, number: u8) -> Udp {
        Udp::new(self.udp.address(), number)
    }

    pub async fn get(&self, target: &str) -> Vec<u8> {
        let url = format!("http://{}{target}", self.running.address);
        http().get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// The failure reason of an announce.
    pub async fn failure(&self, target: &str) -> String {
        let text = String::from_utf8_lossy(&self.get(target).await).into_owned();
        assert!(text.starts_with("d14:failure reason") && text.ends_with('e'), "{text}");
        text.split_once(':').unwrap().1.split_once(':').unwrap().1.trim_end_matches('e').to_owned()
    }

    pub async fn stop(self) {
        let udp = self.udp;
        tokio::task::spawn_blocking(move || udp.stop()).await.unwrap();
        self.running.stop().await;
    }
}

pub fn manifest(seed: u8, hash: [u8; 20], visibility: Visibility) -> ContentManifest {
    let hashes = ContentHashes { info_hash_v1: Some(hex(hash[0], 20)), ..ContentHashes::default() };
    ContentManifest { hashes, size: 1 << 30, ..content(seed, visibility) }
}

/// A UDP peer.
pub struct Udp {
    pub socket: UdpSocket,
    id: [u8; 20],
}

/// What goes into an announce beside the constant parts.
#[derive(Clone, Copy)]
pub struct Words {
    pub hash: [u8; 20],
    pub downloaded: u64,
    pub left: u64,
    pub uploaded: u64,
    pub event: u32,
    pub want: i32,
    pub port: u16,
}

pub const WORDS: Words =
    Words { hash: KNOWN, downloaded: 0, left: 1 << 30, uploaded: 0, event: 2, want: -1, port: 6881 };

impl Udp {
    pub fn new(tracker: SocketAddr, number: u8) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.connect(tracker).unwrap();
        Self { socket, id: [number; 20] }
    }

    pub fn send(&self, bytes: &[u8]) {
        assert_eq!(self.socket.send(bytes).unwrap(), bytes.len());
    }

    pub fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    pub fn connect(&self, transaction: u32) -> u64 {
        self.send(&connect(transaction));
        let answer = self.receive();
        assert_eq!((answer.len(), &answer[..4], &answer[4..8]), (16, &[0; 4][..], &transaction.to_be_bytes()[..]));
        u64::from_be_bytes(answer[8..].try_into().unwrap())
    }

    pub fn bytes(&self, connection: u64, words: Words) -> Vec<u8> {
        let mut bytes = connection.to_be_bytes().to_vec();
        bytes.extend([1_u32, 77].map(u32::to_be_bytes).concat());
        bytes.extend([words.hash, self.id].concat());
        bytes.extend([words.downloaded, words.left, words.uploaded].map(u64::to_be_bytes).concat());
        bytes.extend([words.event, 0, 0xabcd].map(u32::to_be_bytes).concat());
        bytes.extend(words.want.to_be_bytes());
        bytes.extend(words.port.to_be_bytes());
        bytes
    }

    /// Connects and announces: the whole answer.
    pub fn announce(&self, words: Words) -> Vec<u8> {
        let connection = self.connect(7);
        self.send(&self.bytes(connection, words));
        let answer = self.receive();
        assert_eq!(&answer[4..8], &77_u32.to_be_bytes());
        answer
    }

    /// Seeders, completions and leechers.
    pub fn scrape(&self, hash: [u8; 20]) -> [u32; 3] {
        let connection = self.connect(8);
        self.send(&[&connection.to_be_bytes()[..], &[0, 0, 0, 2, 0, 0, 0, 9], &hash].concat());
        let answer = self.receive();
        assert_eq!((answer.len(), &answer[..8]), (20, &[0, 0, 0, 2, 0, 0, 0, 9][..]));
        [8, 12, 16].map(|at| number(&answer, at))
    }
}

pub fn connect(transaction: u32) -> Vec<u8> {
    let mut bytes = 0x0417_2710_1980_u64.to_be_bytes().to_vec();
    bytes.extend([0, transaction].map(u32::to_be_bytes).concat());
    bytes
}

pub fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The query of an HTTP announce.
pub fn query(hash: [u8; 20], peer: u8, more: &str) -> String {
    let encode = |byte: u8| format!("%{byte:02x}").repeat(20);
    let (hash, peer) = (encode(hash[0]), encode(peer));
    format!("?info_hash={hash}&peer_id={peer}&uploaded=0&downloaded=0&left=1000&key=abcd&compact=1{more}")
}
