//! With a tracker that takes reports: peers are told of the uploader, the pool's table holds it, what it sent is counted, and when it
//! goes nobody is sent there any more.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, TaskId},
    task::{DownloadOutcome, Outcome, TaskResult},
    torrent::{
        Metainfo,
        make::{Hasher, Torrents},
    },
    tracker::{ClaimOwner, ClaimRequest, PoolRate, PoolTable, Wanted},
};
use videocloud_store::Store;

use super::{peer::Peer, rates::within};
use crate::support::{Tracker, client, content_id, process::Process, until};

const SIZE: usize = 2_000_000;

/// As a download publishes it: with its torrent's hashes in the manifest.
pub async fn publish(store: &Store, folder: &std::path::Path, seed: u8) -> (ContentManifest, Torrents, Vec<u8>) {
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + at / 999 + usize::from(seed)) as u8).collect();
    std::fs::write(folder.join("file"), &bytes).unwrap();
    let mut manifest = ContentManifest {
        id: content_id(&folder.join("file")),
        size: SIZE as u64,
        mime: "video/mp4".into(),
        hashes: ContentHashes::default(),
        verification: Verification::SingleSource,
        visibility: Visibility::Public,
        created: 1_700_000_000,
    };
    let mut hasher = Hasher::new(SIZE as u64);
    hasher.update(&bytes);
    let torrent = hasher.finish().unwrap().torrents(&manifest.file_name(), true).unwrap();
    manifest.hashes.info_hash_v1 = torrent.hashes().v1().map(|hash| hash.to_string());
    manifest.hashes.info_hash_v2 = torrent.hashes().v2().map(|hash| hash.to_string());
    let staging = store.stage(&ClaimKey::from_bytes([seed; 16])).await.unwrap();
    staging.write_at(0, bytes.clone().into()).await.unwrap();
    staging.publish(&manifest).await.unwrap();
    (manifest, torrent, bytes)
}

/// Tells the tracker of the content, as the worker that fetched it does.
pub async fn register(tracker: &Tracker, manifest: &ContentManifest) {
    let wanted = Wanted {
        links: vec![format!("http://origin.example/{}", manifest.id).parse().unwrap()],
        digest: None,
        size: None,
        visibility: Visibility::Public,
        variant: String::new(),
    };
    let key = wanted.key();
    let owner = ClaimOwner { uid: "uid-1".into(), namespace: "team".into(), name: "a".into() };
    tracker.operator().claim(&key, &ClaimRequest { owner, wanted }).await.unwrap();
    let content = manifest.clone();
    let outcome = DownloadOutcome { content, deduplicated: false, revalidated: false, sources: Vec::new() };
    let task = TaskId::download(&key);
    tracker.worker(&task).report(&task, &TaskResult::Succeeded(Outcome::Download(outcome))).await.unwrap();
}

/// Peers that a leecher is told of.
async fn told(tracker: &Tracker, torrent: &Torrents) -> Vec<SocketAddr> {
    let swarm: String = torrent.hashes().swarms()[0].0.iter().map(|byte| format!("%{byte:02x}")).collect();
    let query =
        format!("info_hash={swarm}&peer_id=-XX0000-abcdefghijkl&port=7&left=9&uploaded=0&downloaded=0&compact=1");
    let answer = client().get(format!("{}/announce?{query}", tracker.url())).send().await.unwrap();
    let answer = answer.bytes().await.unwrap();
    let value = videocloud_protocol::torrent::bencode::Value::parse(&answer).unwrap();
    let peers = value.as_dict().unwrap().bytes("peers").unwrap_or_default();
    videocloud_protocol::peer_wire::extension::compact_v4(peers).filter(|peer| peer.port() != 7).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_told_of_it_and_the_pool_holds_it() {
    const RATE: u64 = 400_000;
    let folder = tempfile::tempdir().unwrap();
    let store =
        Store::open(&folder.path().join("store").display().to_string().parse().unwrap(), folder.path()).unwrap();
    let (manifest, torrent, bytes) = publish(&store, folder.path(), 1).await;
    let tracker = Tracker::start(folder.path()).await;
    register(&tracker, &manifest).await;
    let flags = ["--bittorrent", "127.0.0.1:0", "--endpoint", "http://edge.example/"];
    let mut uploader = Process::start(folder.path(), Some(&tracker.url()), &flags);
    let at = uploader.bittorrent.unwrap();
    until("peers are told of it", || async { told(&tracker, &torrent).await.contains(&at).then_some(()) }).await;
    let document = client().get(format!("http://{}/c/{}.torrent", uploader.http, manifest.id)).send().await.unwrap();
    let given = Metainfo::parse(&document.bytes().await.unwrap()).unwrap();
    assert_eq!(given.info, torrent.v1.info);
    assert!(given.web_seeds[0].as_str().starts_with("http://edge.example/ws/"), "{:?}", given.web_seeds);

    let rate = PoolRate {
        content: manifest.id,
        cluster: String::new(),
        bittorrent: RATE,
        http: 0,
        ceiling: 0,
        marginal_milli: 1,
        dithered: false,
    };
    let table = |generation, bittorrent| PoolTable {
        generation,
        ttl_seconds: 600,
        unnamed: 0,
        unnamed_bittorrent: 0,
        capacity: 0,
        rates: vec![PoolRate { bittorrent, ..rate.clone() }],
    };
    let operator = tracker.operator();
    operator.put_table("p", &table(1, RATE)).await.unwrap();
    let newer = |than: f64| {
        let uploader = &uploader;
        async move { Some(uploader.metric("videocloud_uploader_table_generation").await).filter(|now| *now > than) }
    };
    // Without a pool's table each report brings another one.
    let first = until("the pool's table is in force", || async {
        let before = newer(0.0).await?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        newer(0.0).await.filter(|now| *now == before)
    })
    .await;
    let mut peer = Peer::connect(at, torrent.hashes().swarms()[1], true).await;
    peer.unchoked().await;
    within(peer.fetch(&torrent.v2, &bytes, |bytes| bytes >= 2_000_000).await.rate(), RATE as f64);
    operator.put_table("p", &table(2, 3 * RATE)).await.unwrap();
    until("the next table is in force", || newer(first)).await;
    within(peer.fetch(&torrent.v2, &bytes, |bytes| bytes >= 4_000_000).await.rate(), 3.0 * RATE as f64);
    until("the tracker knows what was sent", || async {
        let text = client().get(format!("{}/metrics", tracker.url())).send().await.unwrap().text().await.unwrap();
        let sent = text.lines().find_map(|line| line.strip_prefix("videocloud_tracker_uploaders_sent_bytes_total "));
        (sent.unwrap().parse::<f64>().unwrap() >= 6e6).then_some(())
    })
    .await;

    // It goes: others are told so while it still serves those it has.
    uploader.signal(Signal::SIGTERM);
    until("nobody is told of it", || async { told(&tracker, &torrent).await.is_empty().then_some(()) }).await;
    drop(peer);
    assert!(uploader.wait().success());
}

/// Reports every hour, and does what a new table says all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_fetched_when_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::start(folder.path()).await;
    let uploader = Process::start(folder.path(), Some(&tracker.url()), &["--report-interval", "60m"]);
    let operator = tracker.operator();
    let mut before = 0.0;
    for generation in 1..4 {
        let table = PoolTable {
            generation,
            ttl_seconds: 600,
            unnamed: 0,
            unnamed_bittorrent: 0,
            capacity: 0,
            rates: Vec::new(),
        };
        operator.put_table("p", &table).await.unwrap();
        let newer = || async {
            let now = uploader.metric("videocloud_uploader_table_generation").await;
            Some(now).filter(|now| *now > before)
        };
        before = until("the table is in force", newer).await;
    }
    // A restarted tracker numbers from the start again.
    let address = tracker.address();
    tracker.stop().await;
    let _tracker = Tracker::restart(folder.path(), address).await;
    let newer = || async {
        let now = uploader.metric("videocloud_uploader_table_generation").await;
        Some(now).filter(|now| *now > before)
    };
    until("the next tracker's table is in force", newer).await;
}
