//! The command in swarms of real peers: libtorrent, Transmission, aria2, WebTorrent; trackers, the DHT and peers as those who name them.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

#[path = "support/libtorrent.rs"]
mod libtorrent;
mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use libtorrent::{Leecher, Seeds};
use serde_json::{Value, json};
use support::nginx::Nginx;
use support::script::Scripted;
use support::tracker::{Ended, free_port, opentracker};
use support::{bytes, run};

const KIB: usize = 1 << 10;

/// A folder with `name` and others in it, and what they hold.
fn show(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let files = [("extra.zip", 700_001), ("s1/e1.mp4", 1_500_003), ("s1/e2.mp4", 900_000), ("s1/note.txt", 17)];
    let files: Vec<_> = files.iter().zip(1..).map(|(&(name, length), seed)| (name, bytes(seed, length))).collect();
    std::fs::create_dir_all(folder.join("show/s1")).unwrap();
    for (name, content) in &files {
        std::fs::write(folder.join("show").join(name), content).unwrap();
    }
    files
}

/// Runs the command without the DHT; the file it wrote, and its last word.
fn fetch(folder: &Path, arguments: &[&str]) -> (Vec<u8>, Value) {
    let output = folder.join("fetched");
    let _ = std::fs::remove_file(&output);
    let output = output.display().to_string();
    let (code, last) = run(&[&["--no-dht", "--output", &output], arguments].concat());
    assert_eq!(code, 0, "{last}");
    (std::fs::read(&output).unwrap(), last)
}

fn with<'a>(arguments: &[&'a str], peers: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(peers.iter().map(String::as_str)).collect()
}

#[test]
fn torrent_files_and_magnets_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let files = show(folder.path());
    for kind in ["v1", "v2", "hybrid"] {
        let seeds = Seeds::start(&json!({ "root": folder.path(), "name": "show", "piece": 64 * KIB, "kind": kind }));
        let (torrent, peers) = (seeds.file(folder.path()), seeds.peers());
        let (found, last) = fetch(folder.path(), &with(&["--torrent", &torrent], &peers));
        assert!(found == files[1].1, "{kind}: the bytes differ");
        assert_eq!(last["verification"], "PieceHashes", "{kind}: {last}");
        for (path, content) in &files {
            let (found, _) = fetch(folder.path(), &with(&["--torrent", &torrent, "--select", path], &peers));
            assert!(found == *content, "{kind} {path}: the bytes differ");
        }
        let (found, last) = fetch(folder.path(), &with(&["--source", &seeds.magnet, "--select", "s1/e2.mp4"], &peers));
        assert!(found == files[2].1, "{kind}: the bytes differ by magnet");
        assert_eq!(last["verification"], "PieceHashes", "{kind}: {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proven_can_be_read_while_the_rest_comes() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(12, 12_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let seeds =
        Seeds::start(&json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1", "seeds": 3 }));
    let place = format!("file://{}", folder.path().join("store").display());
    let (torrent, peers) = (seeds.file(folder.path()), seeds.peers());
    let arguments = ["--no-dht", "--torrent", &torrent, "--store", &place, "--order", "playback", "--limit-rate", "3M"];
    let mut running = support::start(&with(&arguments, &peers));
    let store = videocloud_store::Store::open_to_read(&place.parse().unwrap()).unwrap();
    let staging = folder.path().join("store/staging");
    let (mut most, mut ends) = (0, std::collections::BTreeSet::new());
    let status = loop {
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
        let claims = std::fs::read_dir(&staging).into_iter().flatten().flatten();
        for claim in claims.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let Some(there) = store.arriving(&claim).await.unwrap() else { continue };
            let Some(end) = there.run_from(0) else { continue };
            // Published meanwhile, perhaps.
            let Ok(stream) = there.read(most..end).await else { continue };
            let Ok(read) = stream.try_collect::<Vec<_>>().await else { continue };
            assert!(read.concat() == content[most as usize..end as usize], "unproven bytes are shown");
            assert_eq!(there.size(), content.len() as u64);
            most = end;
            ends.insert(end);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(status.success());
    assert!(ends.first().is_some_and(|first| *first < content.len() as u64 * 3 / 4), "{ends:?}");
}

#[test]
fn many_pieces_need_several_requests_for_their_layer() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(9, 1100 * 16 * KIB + 5);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let seeds = Seeds::start(&json!({ "root": folder.path(), "name": "a.mp4", "piece": 16 * KIB, "kind": "v2" }));
    let (found, _) = fetch(folder.path(), &with(&["--source", &seeds.magnet], &seeds.peers()));
    assert!(found == content, "the bytes differ");
}

#[test]
fn encrypted_connections() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(4, 3_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let order = |policy: u8, level: u8| {
        let settings = json!({ "in_enc_policy": policy, "out_enc_policy": policy, "allowed_enc_level": level });
        json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1", "settings": settings })
    };
    // libtorrent's policies: 0 forced, 1 enabled, 2 disabled; levels: 1 plain, 2 RC4, 3 both.
    for (policy, level, ours) in
        [(0, 2, "require"), (0, 2, "fallback"), (0, 1, "prefer"), (2, 3, "prefer"), (1, 3, "off")]
    {
        let seeds = Seeds::start(&order(policy, level));
        let torrent = seeds.file(folder.path());
        let (found, _) = fetch(folder.path(), &with(&["--torrent", &torrent, "--encryption", ours], &seeds.peers()));
        assert!(found == content, "{policy} {level} {ours}: the bytes differ");
    }
}

#[test]
fn trackers_over_http_and_udp_name_the_peers() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(5, 2_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let made = json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1" });
    let hash = {
        let magnet = Seeds::start(&made).magnet.clone();
        magnet.split("btih:").nth(1).unwrap()[..40].to_owned()
    };
    let (_tracker, port) = opentracker(folder.path(), std::slice::from_ref(&hash));
    for scheme in ["http", "udp"] {
        let tracker = format!("{scheme}://127.0.0.1:{port}/announce");
        let mut order = made.clone();
        order["trackers"] = json!([tracker]);
        let seeds = Seeds::start(&order);
        let torrent = seeds.file(folder.path());
        let (found, _) = fetch(folder.path(), &["--torrent", &torrent]);
        assert!(found == content, "{scheme}: the bytes differ");
        let magnet = format!("magnet:?xt=urn:btih:{hash}&tr={tracker}");
        let (found, _) = fetch(folder.path(), &["--source", &magnet]);
        assert!(found == content, "{scheme}: the bytes differ by magnet");
    }
}

#[test]
fn the_dht_names_the_peers() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(6, 2_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let order =
        json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1", "seeds": 4, "dht": true });
    let seeds = Seeds::start(&order);
    let nodes: Vec<String> =
        seeds.ports.iter().flat_map(|port| ["--dht-node".to_owned(), format!("127.0.0.1:{port}")]).collect();
    let output = folder.path().join("fetched").display().to_string();
    let hash = seeds.magnet.split("btih:").nth(1).unwrap()[..40].to_owned();
    let magnet = format!("magnet:?xt=urn:btih:{hash}");
    let (code, last) = run(&with(&["--source", &magnet, "--output", &output], &nodes));
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
}

#[test]
fn transmission_and_aria2_are_peers_too() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(7, 2_500_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let made = json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1" });
    let torrent = Seeds::start(&made).file(folder.path());
    let (port, rpc) = (free_port(), free_port());
    let config = folder.path().join("transmission");
    std::fs::create_dir(&config).unwrap();
    let transmission = Command::new("transmission-daemon")
        .args(["--foreground", "--no-portmap", "--no-dht", "--no-lpd", "--bind-address-ipv4", "127.0.0.1"])
        .args(["--peerport", &port.to_string(), "--port", &rpc.to_string(), "--config-dir"])
        .arg(&config)
        .arg("--download-dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _transmission = Ended(transmission.expect("install the Debian package transmission-daemon"));
    listening(port);
    listening(rpc);
    let added = Command::new("transmission-remote")
        .args([&format!("127.0.0.1:{rpc}"), "--add", &torrent])
        .stdout(Stdio::null())
        .status();
    assert!(added.expect("install the Debian package transmission-cli").success());
    let peer = format!("127.0.0.1:{port}");
    let (found, _) = fetch(folder.path(), &["--torrent", &torrent, "--peer", &peer]);
    assert!(found == content, "the bytes of Transmission differ");

    let port = free_port();
    let aria2 = Command::new("aria2c")
        .args([
            "--no-conf",
            "--quiet",
            "--seed-ratio=0.0",
            "--check-integrity",
            "--enable-dht=false",
            "--bt-enable-lpd=false",
        ])
        .args([&format!("--listen-port={port}"), "--interface=127.0.0.1", "--dir"])
        .arg(folder.path())
        .arg(&torrent)
        .stdout(Stdio::null())
        .spawn();
    let _aria2 = Ended(aria2.expect("install the Debian package aria2"));
    listening(port);
    let peer = format!("127.0.0.1:{port}");
    let (found, _) = fetch(folder.path(), &["--torrent", &torrent, "--peer", &peer]);
    assert!(found == content, "the bytes of aria2 differ");
}

fn listening(port: u16) {
    let (limit, at) = (Instant::now() + Duration::from_secs(20), SocketAddr::from(([127, 0, 0, 1], port)));
    while std::net::TcpStream::connect(at).is_err() {
        assert!(Instant::now() < limit, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A leecher of libtorrent that nobody but this command knows of gets from it what it has got itself.
#[test]
fn peers_are_given_what_is_proven_while_the_rest_comes() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(14, 12_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let seeds = Seeds::start(&json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1" }));
    let torrent = seeds.file(folder.path());
    for (limit, gives) in [("0", false), ("1G", true)] {
        let to = folder.path().join(format!("leecher-{limit}"));
        std::fs::create_dir(&to).unwrap();
        let mut leecher = Leecher::start(&seeds.torrent, &to);
        let peer = format!("127.0.0.1:{}", leecher.port);
        let flags = ["--torrent", &torrent, "--peer", &peer, "--limit-rate", "2M", "--upload-limit", limit];
        let (found, _) = fetch(folder.path(), &with(&flags, &seeds.peers()));
        assert!(found == content, "the bytes differ");
        let got = leecher.bytes();
        // What came last had no time to be passed on.
        let expected = if gives { content.len() / 2..content.len() + 1 } else { 0..1 };
        assert!(expected.contains(&got), "limit {limit}: {got} bytes of {}", content.len());
    }
}

#[test]
fn webtorrent_as_the_only_seed() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(13, 3_000_000);
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, &content).unwrap();
    let script = "const WebTorrent = require('webtorrent'), fs = require('fs'), [path, to] = process.argv.slice(1)\n\
        const client = new WebTorrent({ dht: false, lsd: false, utp: false, tracker: false })\n\
        client.seed(path, { announce: [] }, (torrent) => {\n\
            fs.writeFileSync(to, torrent.torrentFile)\n\
            console.log(JSON.stringify({ magnet: torrent.magnetURI, port: client.torrentPort }))\n\
        })\n";
    let torrent = folder.path().join("a.torrent").display().to_string();
    let mut seed = support::node::script(script).arg(&path).arg(&torrent).stdout(Stdio::piped()).spawn().unwrap();
    // It says first that it cannot speak uTP.
    let mut lines = BufReader::new(seed.stdout.take().unwrap()).lines();
    let said: Value = lines.find_map(|line| serde_json::from_str(&line.unwrap()).ok()).unwrap();
    let peer = format!("127.0.0.1:{}", said["port"]);
    let (found, last) = fetch(folder.path(), &["--torrent", &torrent, "--peer", &peer]);
    assert!(found == content, "the bytes differ");
    assert_eq!(last["verification"], "PieceHashes", "{last}");
    let (found, _) = fetch(folder.path(), &["--source", said["magnet"].as_str().unwrap(), "--peer", &peer]);
    assert!(found == content, "the bytes differ by magnet");
    seed.kill().unwrap();
    seed.wait().unwrap();
}

#[test]
fn a_web_seed_gives_the_file_when_no_peer_does() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(10, 3_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let server = Nginx::start("");
    server.put("a.mp4", &content);
    let made = json!({
        "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1", "web_seeds": [server.url("")],
    });
    let torrent = Seeds::start(&made).file(folder.path());
    let (found, last) = fetch(folder.path(), &["--torrent", &torrent]);
    assert!(found == content, "the bytes differ");
    assert_eq!(last["verification"], "PieceHashes", "{last}");
    assert!(server.requests("a.mp4") > 0);
}

/// The script of BEP 17, in twenty lines: it knows one torrent, and says once that it is busy.
#[test]
fn an_http_seed_gives_pieces_when_no_peer_does() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(12, 3_000_000);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let served = content.clone();
    let server = Scripted::start(move |request| {
        let of = |name: &str| {
            let rest = request.path.split_once(&format!("{name}=")).map(|(_, rest)| rest).unwrap_or_default();
            rest.split('&').next().unwrap_or_default().to_owned()
        };
        let busy = request.number == 2;
        if busy || of("info_hash").len() != 60 || request.range.is_some() {
            let status = if busy { "503 Service Unavailable" } else { "400 Bad Request" };
            return format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\n1").into_bytes();
        }
        let ranges = of("ranges");
        let (first, last) = ranges.split_once('-').unwrap();
        let piece = of("piece").parse::<usize>().unwrap() * 64 * KIB;
        let body = &served[piece + first.parse::<usize>().unwrap()..=piece + last.parse::<usize>().unwrap()];
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    });
    let made = json!({
        "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1", "http_seeds": [server.url("seed")],
    });
    let torrent = Seeds::start(&made).file(folder.path());
    let (found, last) = fetch(folder.path(), &["--torrent", &torrent]);
    assert!(found == content, "the bytes differ");
    assert_eq!(last["verification"], "PieceHashes", "{last}");
    assert!(server.requests() > content.len() / (64 * KIB), "one request for each piece, and one in vain");
}

/// What is no torrent ends the command with a word on what it is, and leaves nothing.
#[test]
fn links_to_torrents_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("fetched").display().to_string();
    let server = Nginx::start("");
    let escape: &[u8] = b"d4:infod5:filesld6:lengthi9e4:pathl2:..6:passwdeee4:name1:a12:piece lengthi16384e6:pieces20:\
        aaaaaaaaaaaaaaaaaaaaee";
    for (name, bytes, word) in [
        ("page.torrent", &b"\n<!doctype html><html>please log in</html>"[..], "web page"),
        ("empty.torrent", b"", "torrent"),
        ("cut.torrent", b"d4:infod6:length", "torrent"),
        ("escape.torrent", escape, "torrent"),
    ] {
        server.put(name, bytes);
        let (code, last) = run(&["--no-dht", "--source", &server.url(name), "--output", &output]);
        assert_eq!(code, 22, "{name}: {last}");
        assert!(last["message"].as_str().is_some_and(|message| message.contains(word)), "{name}: {last}");
        assert!(!Path::new(&output).exists(), "{name}");
    }
    for magnet in ["magnet:?xt=urn:btih:abc", "magnet:?dn=nothing", "magnet:?xt=urn:btih:"] {
        let (code, last) = run(&["--no-dht", "--source", magnet, "--output", &output]);
        assert!(code == 22 && last["message"].as_str().is_some_and(|message| message.contains("magnet")), "{last}");
    }
}
