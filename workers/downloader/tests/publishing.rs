//! What lies in a store after a download: the content, its manifest with the hashes of its torrents, and the torrents themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use serde_json::Value;
use support::nginx::Nginx;
use support::{bytes, run};
use videocloud_protocol::torrent::make::Torrents;
use videocloud_protocol::torrent::merkle;

#[test]
fn a_content_is_published_with_its_torrents() {
    const SIZE: usize = 3_000_001;
    let server = Nginx::start("");
    let content = bytes(7, SIZE);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (code, last) = run(&["--source", &server.url("a.mp4"), "--store", store.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    let id = last["contentId"].as_str().unwrap();
    let kept = std::fs::read(store.join(format!("torrents/{}/{id}.torrent", &id[..2]))).unwrap();
    let torrents = Torrents::parse(&kept.into()).unwrap();
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(store.join(format!("contents/{id}.json"))).unwrap()).unwrap();
    let hashes = torrents.hashes();
    assert_eq!(manifest["hashes"]["infoHashV1"], hashes.v1().unwrap().to_string());
    assert_eq!(manifest["hashes"]["infoHashV2"], hashes.v2().unwrap().to_string());
    assert_eq!((torrents.v1.info.total(), torrents.v1.info.is_private()), (SIZE as u64, true));
    let blocks = SIZE.div_ceil(merkle::BLOCK).next_power_of_two();
    assert_eq!(torrents.v2.info.files()[0].root, Some(merkle::root_of_bytes(&content, blocks)));
    let whole = torrents.v1.info.piece_length() as usize;
    for (index, piece) in content.chunks(whole).enumerate() {
        use sha1::Digest;
        assert_eq!(torrents.v1.info.v1_hash(index as u64), Some(sha1::Sha1::digest(piece).into()));
    }
}
