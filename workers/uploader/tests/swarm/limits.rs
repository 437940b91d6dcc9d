//! Numbers of peers, and what happens when the seeder goes.

use nix::sys::signal::Signal;
use tokio::{io::AsyncReadExt, net::TcpStream};
use videocloud_protocol::torrent::Metainfo;

use super::{peer::Peer, place::Place};
use crate::support::until;

#[tokio::test]
async fn peers_beyond_the_limits_are_not_taken() {
    let place = Place::alone(300_000, &["--max-peers-per-address", "3"]).await;
    let torrent = Metainfo::parse(&std::fs::read(place.torrent().await).unwrap().into()).unwrap();
    let swarm = torrent.info.hashes().swarms()[0];
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Peer::connect(place.peer(), swarm, true).await);
    }
    let mut fourth = TcpStream::connect(place.peer()).await.unwrap();
    assert_eq!(fourth.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(place.uploader.metric("videocloud_uploader_refused_peers_total").await, 1.0);
    held.pop();
    until("a place comes back", || async {
        (place.uploader.metric("videocloud_uploader_peers").await == 2.0).then_some(())
    })
    .await;
    let mut next = Peer::connect(place.peer(), swarm, false).await;
    next.unchoked().await;
    next.fetch(&torrent, &place.bytes, |bytes| bytes >= 300_000).await;
}

#[tokio::test]
async fn a_stop_ends_connections_and_the_program() {
    let mut place = Place::alone(300_000, &[]).await;
    let torrent = Metainfo::parse(&std::fs::read(place.torrent().await).unwrap().into()).unwrap();
    let mut peer = Peer::connect(place.peer(), torrent.info.hashes().swarms()[0], true).await;
    peer.unchoked().await;
    place.uploader.signal(Signal::SIGTERM);
    assert!(peer.is_cut().await);
    assert!(place.uploader.wait().success());
}
