//! Peers are tried: one that listens and one that does not.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::net::TcpListener;
use videocloud_tracker::bittorrent::probe;

use crate::wire::{Tracker, WORDS, Words, settings};

/// Ports of the peers in an answer over UDP.
fn ports(answer: &[u8]) -> Vec<u16> {
    let mut ports: Vec<u16> = answer[20..].chunks(6).map(|peer| u16::from_be_bytes([peer[4], peer[5]])).collect();
    ports.sort_unstable();
    ports
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_peers_that_can_be_reached_are_named() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    // A port that was free a moment ago and that nobody listens on.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let (reached, missed) = (at(&open), at(&closed));
    drop(closed);
    tracker.peer(1).announce(Words { left: 0, port: reached, ..WORDS });
    tracker.peer(2).announce(Words { left: 0, port: missed, ..WORDS });
    let leecher = tracker.peer(3);
    let mut both = [reached, missed];
    both.sort_unstable();
    assert_eq!(ports(&leecher.announce(WORDS)), both);
    let closing = tracker.running.tracker.closing().clone();
    let own = vec!["127.0.0.0/8".parse().unwrap()];
    let probing = tokio::spawn(probe(Arc::clone(&tracker.running.tracker.swarms), 100, own, closing));
    let (stream, _) = open.accept().await.unwrap();
    drop(stream);
    for round in 0.. {
        if ports(&leecher.announce(WORDS)) == [reached] {
            break;
        }
        assert!(round < 300, "both are named still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tracker.stop().await;
    probing.await.unwrap();
}
