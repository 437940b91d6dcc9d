//! Peers that mean no good: each is cut or refused, and others are served all the while.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use videocloud_protocol::{
    peer_wire::message::{Block, Message},
    torrent::{InfoHash, Metainfo},
};

use super::{
    peer::{BLOCK, Peer, blocks},
    place::Place,
};
use crate::support::until;

const SIZE: usize = 2_000_000;

struct Stage {
    place: Place,
    torrent: Metainfo,
    swarm: InfoHash,
}

impl Stage {
    async fn open(flags: &[&str]) -> Self {
        let place = Place::alone(SIZE, flags).await;
        let torrent = Metainfo::parse(&std::fs::read(place.torrent().await).unwrap().into()).unwrap();
        let swarm = torrent.info.hashes().swarms()[0];
        Self { place, torrent, swarm }
    }

    async fn peer(&self, fast: bool) -> Peer {
        Peer::connect(self.place.peer(), self.swarm, fast).await
    }

    /// An honest peer gets everything.
    async fn serves(&self) {
        let mut peer = self.peer(true).await;
        peer.unchoked().await;
        peer.fetch(&self.torrent, &self.place.bytes, |bytes| bytes >= SIZE as u64).await;
    }
}

#[tokio::test]
async fn openings_that_are_none_are_cut() {
    let stage = Stage::open(&[]).await;
    let mut other = stage.swarm;
    other.0[0] ^= 1;
    let unknown = videocloud_protocol::peer_wire::handshake::Handshake {
        swarm: other,
        peer: [1; 20],
        extended: true,
        fast: true,
        v2: true,
    };
    let openings: [&[u8]; 5] =
        [b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4096], &[0; 2000], &unknown.encode(), b"\x13BitTorrent protocox"];
    for opening in openings {
        let mut stream = TcpStream::connect(stage.place.peer()).await.unwrap();
        stream.write_all(opening).await.unwrap();
        stream.shutdown().await.unwrap();
        // Ended, in order or not.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    // One that says nothing is cut after ten seconds.
    let mut silent = TcpStream::connect(stage.place.peer()).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    stage.serves().await;
}

#[tokio::test]
async fn whoever_breaks_the_protocol_is_cut() {
    let stage = Stage::open(&[]).await;
    let pieces = stage.torrent.info.pieces() as u32;
    let request = |index, begin, length| Message::Request(Block { index, begin, length });
    let wrong = [
        request(pieces, 0, BLOCK),
        request(u32::MAX, u32::MAX, u32::MAX),
        request(0, 0, 0),
        request(0, 0, 1 << 20),
        request(0, u32::MAX, BLOCK),
        request(pieces - 1, 0, 256 << 10),
        Message::Have(pieces),
        Message::Bitfield(vec![0xff; 100].into()),
        Message::Piece { index: 0, begin: 0, data: vec![0; 9].into() },
    ];
    for message in wrong {
        let mut peer = stage.peer(true).await;
        peer.unchoked().await;
        peer.say(&message).await;
        assert!(peer.is_cut().await, "{message:?}");
    }
    for bytes in [&[0xff; 64][..], &[0, 1, 0, 0, 7], &[0, 0, 0, 2, 0, 0], &[0, 0, 0, 1, 4]] {
        let mut peer = stage.peer(true).await;
        peer.stream.write_all(bytes).await.unwrap();
        assert!(peer.is_cut().await, "{bytes:?}");
    }
    stage.serves().await;
    let cut = stage.place.uploader.metric("videocloud_uploader_ended_peers_total").await;
    assert!(cut >= 13.0, "{cut}");
}

#[tokio::test]
async fn floods_are_cut_and_requests_beyond_the_queue_refused() {
    let stage = Stage::open(&["--capacity", "2000000"]).await;
    let all = blocks(&stage.torrent);
    // Choked, and it does not care.
    let mut flood = stage.peer(true).await;
    let mut bytes = bytes::BytesMut::new();
    for block in all.iter().cycle().take(100_000) {
        Message::Request(*block).put(&mut bytes);
    }
    let _ = flood.stream.write_all(&bytes).await;
    assert!(flood.is_cut().await);
    // Changes its mind all the time.
    let mut fickle = stage.peer(true).await;
    let mut bytes = bytes::BytesMut::new();
    for _ in 0..10_000 {
        Message::Interested.put(&mut bytes);
        Message::NotInterested.put(&mut bytes);
    }
    let _ = fickle.stream.write_all(&bytes).await;
    assert!(fickle.is_cut().await);
    // Without a way to refuse, the connection ends; with one, what is too much is refused.
    let mut greedy = stage.peer(false).await;
    greedy.unchoked().await;
    let mut polite = stage.peer(true).await;
    polite.unchoked().await;
    for peer in [&mut greedy, &mut polite] {
        let mut bytes = bytes::BytesMut::new();
        all.iter().cycle().take(700).for_each(|block| Message::Request(*block).put(&mut bytes));
        let _ = peer.stream.write_all(&bytes).await;
    }
    polite.until(|message| matches!(message, Message::Reject(_))).await;
    polite.until(|message| matches!(message, Message::Piece { .. })).await;
    assert!(greedy.is_cut().await);
    stage.serves().await;
}

#[tokio::test]
async fn a_block_that_is_cancelled_is_not_sent() {
    let stage = Stage::open(&["--capacity", "20000"]).await;
    let mut peer = stage.peer(true).await;
    peer.unchoked().await;
    let all = blocks(&stage.torrent);
    for block in &all[..3] {
        peer.say(&Message::Request(*block)).await;
    }
    peer.say(&Message::Cancel(all[2])).await;
    peer.say(&Message::Request(all[5])).await;
    let (mut came, mut refused) = (Vec::new(), Vec::new());
    while came.len() < 3 {
        match peer.hear().await.unwrap() {
            Message::Piece { begin, .. } => came.push(begin),
            Message::Reject(block) => refused.push(block),
            _ => {}
        }
    }
    assert_eq!((came, refused), ([0, 1, 5].map(|block| block * BLOCK).to_vec(), vec![all[2]]));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut() {
    let stage = Stage::open(&[]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    let stream = socket.connect(stage.place.peer()).await.unwrap();
    let mut stuck = Peer::over(stream, stage.swarm, true).await;
    stuck.unchoked().await;
    for block in blocks(&stage.torrent) {
        stuck.say(&Message::Request(block)).await;
    }
    stage.serves().await;
    until("the stuck peer is cut", || async {
        let peers = stage.place.uploader.metric("videocloud_uploader_peers").await;
        (peers == 0.0).then_some(())
    })
    .await;
}
