//! A magnet link of any text: it names a torrent, and hints stay within their limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use videocloud_protocol::torrent::Magnet;

fuzz_target!(|text: &str| {
    let Ok(magnet) = text.parse::<Magnet>() else { return };
    assert!(!magnet.hashes.swarms().is_empty());
    assert!(magnet.trackers.len() <= 100 && magnet.web_seeds.len() <= 100 && magnet.peers.len() <= 100);
    assert!(magnet.peers.iter().all(|(host, port)| !host.is_empty() && *port != 0));
    assert!(magnet.trackers.iter().all(|tracker| tracker.has_host()));
});
