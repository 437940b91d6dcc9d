//! The UDP load: sockets with a window of announces under way each, of random peers in random torrents.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::servers::{TORRENTS, hash};

const SOCKETS: usize = 8;
/// Announces under way on each socket: so many that servers which take many at a time can, and no more than fit the socket
/// buffer of one that leaves it at the system's default.
const WINDOW: usize = 16;
/// Distinct peers of the load.
const PEERS: u32 = 100_000;
/// Peers of [`fill`].
pub const FILL: u32 = 500_000;

struct Source {
    socket: UdpSocket,
    connection: u64,
}

impl Source {
    fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.connect(server).unwrap();
        let mut request = 0x0417_2710_1980_u64.to_be_bytes().to_vec();
        request.extend([0; 8]);
        // The server may still be starting.
        for _ in 0..100 {
            let mut answer = [0; 16];
            if socket.send(&request).is_ok() && socket.recv(&mut answer).is_ok_and(|length| length == 16) {
                return Self { socket, connection: u64::from_be_bytes(answer[8..].try_into().unwrap()) };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{server} gives no connection id");
    }

    fn announce(&self, peer: u32, port: u32, torrent: u32, seeder: bool, want: i32) {
        let mut bytes = [0; 98];
        bytes[..8].copy_from_slice(&self.connection.to_be_bytes());
        bytes[11] = 1;
        bytes[16..36].copy_from_slice(&hash(torrent));
        bytes[36..40].copy_from_slice(&peer.to_be_bytes());
        bytes[64..72].copy_from_slice(&u64::from(!seeder).to_be_bytes());
        bytes[92..96].copy_from_slice(&want.to_be_bytes());
        bytes[96..].copy_from_slice(&(1024 + port % 60_000).to_be_bytes()[2..]);
        // A full buffer of the server shows as a missing answer.
        let _ = self.socket.send(&bytes);
    }

    /// Answers to announces among the next `count`.
    fn receive(&self, count: usize) -> u64 {
        let mut buffer = [0; 2048];
        let mut answers = 0;
        for _ in 0..count {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    assert!(length >= 20 && buffer[3] == 1, "refused: {}", String::from_utf8_lossy(&buffer[8..length]));
                    answers += 1;
                }
                Err(_) => break,
            }
        }
        answers
    }
}

/// Loads `server` for `round`: announces answered, and how long it took.
pub fn udp(server: SocketAddr, round: Duration) -> (u64, Duration) {
    let sources: Vec<Source> = (0..SOCKETS).map(|_| Source::new(server)).collect();
    let mut random = SmallRng::seed_from_u64(7);
    let mut send = |source: &Source| {
        for _ in 0..WINDOW {
            let peer = random.random_range(0..PEERS);
            // Ten swarms per peer at most; the first ones are large, as real ones are.
            let torrent = (random.random_range(0.0_f64..1.0).powi(4) * f64::from(TORRENTS)) as u32;
            source.announce(peer, peer, torrent, peer % 4 == 0, 30);
        }
    };
    let begun = Instant::now();
    let mut answers = 0;
    sources.iter().for_each(&mut send);
    while begun.elapsed() < round {
        for source in &sources {
            answers += source.receive(WINDOW);
            send(source);
        }
    }
    answers += sources.iter().map(|source| source.receive(WINDOW)).sum::<u64>();
    (answers, begun.elapsed())
}

/// Makes [`FILL`] peers, each in one torrent.
pub fn fill(server: SocketAddr) {
    let source = Source::new(server);
    for first in (0..FILL).step_by(WINDOW) {
        let last = (first + u32::try_from(WINDOW).unwrap()).min(FILL);
        // Some trackers tell peers apart by address and port.
        (first..last).for_each(|peer| source.announce(peer, peer / TORRENTS, peer % TORRENTS, peer % 4 == 0, 1));
        let missing = u64::from(last - first) - source.receive((last - first) as usize);
        assert!(missing < 8, "{missing} of {WINDOW} announces were not answered");
    }
}
