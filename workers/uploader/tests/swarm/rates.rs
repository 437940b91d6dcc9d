//! The rates of a table, as who receives the bytes measures them.

use std::time::{Duration, Instant};

use videocloud_protocol::torrent::Metainfo;

use super::{
    peer::Peer,
    place::{Done, Place, Running, in_namespace},
};
use crate::support::{client, tools::program, until};

async fn torrent(place: &Place) -> Metainfo {
    Metainfo::parse(&std::fs::read(place.torrent().await).unwrap().into()).unwrap()
}

fn write(folder: &std::path::Path, rows: &str) -> std::path::PathBuf {
    let path = folder.join("table.csv");
    std::fs::write(folder.join("table.new"), format!("content,bittorrent,http\n{rows}")).unwrap();
    std::fs::rename(folder.join("table.new"), &path).unwrap();
    path
}

pub fn within(rate: f64, wanted: f64) {
    assert!((rate / wanted - 1.0).abs() <= 0.1, "{rate:.0} B/s where {wanted:.0} are allowed");
}

#[test]
fn aria2_receives_at_the_rate_of_the_table() {
    in_namespace(|| async {
        const RATE: u64 = 300_000;
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), &format!("*,{RATE},0\n"));
        let place = Place::open("10.77.0.1", 3_000_000, &["--table", &file.display().to_string()]).await;
        let torrent = place.torrent_of_peers().await;
        let to = place.folder("aria2");
        let done = Done::new(place.folder.path());
        let mut leech = program("aria2c", "aria2");
        leech.args(["--no-conf", "--quiet", "--seed-time=0", "--bt-enable-lpd=false", "--enable-dht=false"]);
        leech.args(["--bt-tracker-interval=1", "--file-allocation=none", "--interface=10.77.0.2"]);
        // aria2 ends some seconds after the last byte came, so it says when that was.
        leech.arg("--on-bt-download-complete").arg(&done.script);
        let mut leech = Running(leech.arg("--dir").arg(&to).arg(&torrent).spawn().unwrap());
        until("the transfer begins", || async {
            (place.uploader.metric("videocloud_uploader_seeded_bytes_total").await >= 4096.0).then_some(())
        })
        .await;
        let begun = Instant::now();
        done.wait();
        within(3_000_000.0 / begun.elapsed().as_secs_f64(), RATE as f64);
        assert!(leech.0.wait().unwrap().success());
        assert!(place.received(&to));
    });
}

#[tokio::test]
async fn a_table_that_changes_changes_the_rate_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "*,300000,0\n");
    let place = Place::alone(2_000_000, &["--table", &file.display().to_string()]).await;
    let torrent = torrent(&place).await;
    let swarm = torrent.info.hashes().swarms()[0];
    let mut peer = Peer::connect(place.peer(), swarm, true).await;
    peer.unchoked().await;
    let slow = peer.fetch(&torrent, &place.bytes, |bytes| bytes >= 1_200_000).await;
    within(slow.rate(), 300_000.0);
    write(folder.path(), &format!("{},1500000,0\n", place.content));
    // In force within a second, and then held from the first byte on.
    let second = Instant::now();
    peer.fetch(&torrent, &place.bytes, |_| second.elapsed() >= Duration::from_secs(1)).await;
    let fast = peer.fetch(&torrent, &place.bytes, |bytes| bytes >= 6_000_000).await;
    within(fast.rate(), 1_500_000.0);
    write(folder.path(), &format!("{},100000,0\n", place.content));
    let second = Instant::now();
    peer.fetch(&torrent, &place.bytes, |_| second.elapsed() >= Duration::from_secs(1)).await;
    let slow = peer.fetch(&torrent, &place.bytes, |bytes| bytes >= 500_000).await;
    within(slow.rate(), 100_000.0);
}

#[tokio::test]
async fn many_peers_share_what_one_would_get() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "*,1000000,0\n");
    let place = Place::alone(1_000_000, &["--no-super-seeding", "--table", &file.display().to_string()]).await;
    let torrent = torrent(&place).await;
    let swarm = torrent.info.hashes().swarms()[0];
    let begun = Instant::now();
    let fetch = async || {
        let mut peer = Peer::connect(place.peer(), swarm, true).await;
        peer.unchoked().await;
        peer.fetch(&torrent, &place.bytes, |_| begun.elapsed() >= Duration::from_secs(5)).await.bytes
    };
    let all = futures::future::join_all((0..8).map(|_| fetch())).await;
    within(all.iter().sum::<u64>() as f64 / begun.elapsed().as_secs_f64(), 1_000_000.0);
    let mean = all.iter().sum::<u64>() / 8;
    assert!(all.iter().all(|bytes| bytes.abs_diff(mean) < mean / 5), "{all:?}");
}

#[tokio::test]
async fn http_and_bittorrent_are_paid_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "*,0,1000000\n");
    let place = Place::alone(200_000, &["--table", &file.display().to_string()]).await;
    let torrent = torrent(&place).await;
    let swarm = torrent.info.hashes().swarms()[0];
    // Nothing is left for peers and web seeds, not even for a greeting.
    let mut stream = tokio::net::TcpStream::connect(place.peer()).await.unwrap();
    use tokio::io::AsyncWriteExt;
    let ours = videocloud_protocol::peer_wire::handshake::Handshake {
        swarm,
        peer: [7; 20],
        extended: false,
        fast: true,
        v2: false,
    };
    stream.write_all(&ours.encode()).await.unwrap();
    let seed = format!("http://{}/ws/{swarm}/{}.mp4", place.uploader.http, &place.content.to_string()[..16]);
    let waiting = tokio::spawn(client().get(seed).send());
    let answer = client().get(place.at("")).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == place.bytes);
    assert!(!waiting.is_finished());
    let gauge = async || place.uploader.metric("videocloud_uploader_seeded_bytes_total").await;
    assert_eq!(gauge().await, 0.0);
    write(folder.path(), "*,1000000,0\n");
    let answer = waiting.await.unwrap().unwrap();
    assert!(answer.bytes().await.unwrap() == place.bytes);
    until("the peer is greeted", || async { (gauge().await > 0.0).then_some(()) }).await;
}
