//! Swarms with peers that lie, stall or talk nonsense, beside one good seed; trackers that lead where they may not.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

#[path = "support/libtorrent.rs"]
mod libtorrent;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtorrent::Seeds;
use serde_json::json;
use support::{bytes, downloader, run};

const KIB: usize = 1 << 10;

/// What is wrong with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    /// One byte of a hundred blocks is wrong.
    Corrupt,
    /// Random bytes after the handshake.
    Garbage,
    /// A message of 4 GiB.
    Oversized,
    /// It has everything, and gives nothing.
    Stalls,
    /// It has everything, and rejects each request.
    Rejects,
    /// The handshake comes byte by byte, without end.
    Slowloris,
    /// It speaks of another torrent.
    Foreign,
    /// It names a piece that there is not.
    Beyond,
    /// It sends blocks that nobody asked for.
    Floods,
    /// It closes the connection in the middle of a block.
    Dies,
    /// Nothing but its rate: a block each five milliseconds. What it counts is blocks.
    Slow,
    /// As corrupt, and no faster than others.
    Sly,
}

const ALL: [Ill; 10] = [
    Ill::Corrupt,
    Ill::Garbage,
    Ill::Oversized,
    Ill::Stalls,
    Ill::Rejects,
    Ill::Slowloris,
    Ill::Foreign,
    Ill::Beyond,
    Ill::Floods,
    Ill::Dies,
];

/// A scripted peer on a port of its own, for as long as the test runs; counts its connections.
fn peer(ill: Ill, content: Arc<Vec<u8>>, piece: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(usize::from(ill != Ill::Slow), Ordering::Relaxed);
            let (content, blocks) = (Arc::clone(&content), Arc::clone(&count));
            // Ends when the other side has had enough.
            std::thread::spawn(move || drop(talk(stream.unwrap(), ill, &content, piece, &blocks)));
        }
    });
    (port, met)
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 1).to_be_bytes()[..], &[kind], payload].concat()
}

fn talk(mut stream: TcpStream, ill: Ill, content: &[u8], piece: usize, blocks: &AtomicUsize) -> std::io::Result<()> {
    let mut shake = [0; 68];
    stream.read_exact(&mut shake)?;
    if ill == Ill::Foreign {
        shake[28] ^= 1;
    }
    shake[48..].copy_from_slice(b"-XX0000-abcdefghijkl");
    if ill == Ill::Slowloris {
        loop {
            for byte in &shake[..60] {
                stream.write_all(&[*byte])?;
                std::thread::sleep(std::time::Duration::from_millis(250));
            }
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
    }
    stream.write_all(&shake)?;
    match ill {
        Ill::Garbage => return stream.write_all(&bytes(99, 100_000)),
        Ill::Oversized => return stream.write_all(&[0xff; 4096]).and_then(|()| stream.read(&mut shake).map(drop)),
        Ill::Beyond => {
            stream.write_all(&frame(4, &u32::MAX.to_be_bytes()))?;
        }
        _ => {}
    }
    // Everything is there, ask what you like.
    stream.write_all(&[frame(14, b""), frame(1, b"")].concat())?;
    if ill == Ill::Floods {
        let block = [&0_u32.to_be_bytes()[..], &0_u32.to_be_bytes(), &content[..16 * KIB]].concat();
        loop {
            stream.write_all(&frame(7, &block))?;
        }
    }
    let mut served = 0;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut message)?;
        if message.first() != Some(&6) || ill == Ill::Stalls {
            continue;
        }
        if ill == Ill::Rejects {
            stream.write_all(&frame(16, &message[1..]))?;
            continue;
        }
        let word = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap()) as usize;
        let from = word(1) * piece + word(5);
        let mut block = [&message[1..9], &content[from..from + word(9)]].concat();
        served += 1;
        if ill == Ill::Sly {
            std::thread::sleep(std::time::Duration::from_millis(4));
        }
        if matches!(ill, Ill::Corrupt | Ill::Sly) && served % 100 == 50 {
            block[20] ^= 1;
        }
        if ill == Ill::Slow {
            blocks.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if ill == Ill::Dies && served % 7 == 6 {
            let half = frame(7, &block);
            return stream.write_all(&half[..5000]);
        }
        stream.write_all(&frame(7, &block))?;
    }
}

#[test]
fn no_hostile_peer_spoils_or_holds_a_download() {
    let folder = tempfile::tempdir().unwrap();
    let content = Arc::new(bytes(8, 12_000_000));
    std::fs::write(folder.path().join("a.mp4"), &**content).unwrap();
    let piece = 64 * KIB;
    let order = json!({ "root": folder.path(), "name": "a.mp4", "piece": piece, "kind": "v1", "limit": 2_000_000 });
    let seeds = Seeds::start(&order);
    let torrent = seeds.file(folder.path());
    let hostile: Vec<_> = ALL.iter().map(|&ill| (ill, peer(ill, Arc::clone(&content), piece))).collect();
    let mut arguments =
        vec!["--torrent".to_owned(), torrent, "--no-dht".to_owned(), "--encryption".to_owned(), "off".to_owned()];
    arguments.extend(seeds.peers());
    for (_, (port, _)) in &hostile {
        arguments.extend(["--peer".to_owned(), format!("127.0.0.1:{port}")]);
    }
    let output = folder.path().join("fetched");
    arguments.extend(["--output".to_owned(), output.display().to_string()]);
    let (code, last) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == *content, "the bytes differ");
    for (ill, (_, met)) in &hostile {
        assert!(met.load(Ordering::Relaxed) > 0, "{ill:?} was never met");
    }
    // Those that are proven wrong at once: Garbage, Oversized, Foreign, Beyond, Floods; and Corrupt when its turn comes.
    let message = last["sources"][0]["message"].as_str().unwrap();
    let banned: u32 =
        message.split("; ").find_map(|part| part.strip_suffix(" peers are banned")).unwrap().parse().unwrap();
    assert!(banned >= 5, "{message}");
}

/// Fetches the torrent in `folder` from `peers`.
fn fetch_from(folder: &std::path::Path, torrent: &str, peers: &[String], content: &[u8]) {
    let output = folder.join("fetched");
    let shown = output.display().to_string();
    let mut arguments = vec!["--torrent", torrent, "--no-dht", "--encryption", "off", "--output", &shown];
    arguments.extend(peers.iter().map(String::as_str));
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    std::fs::remove_file(output).unwrap();
}

#[test]
fn several_peers_share_one_long_piece() {
    let folder = tempfile::tempdir().unwrap();
    let (content, piece) = (Arc::new(bytes(8, 16 << 20)), 16 << 20);
    std::fs::write(folder.path().join("a.mp4"), &**content).unwrap();
    for kind in ["v1", "v2"] {
        let order = json!({ "root": folder.path(), "name": "a.mp4", "piece": piece, "kind": kind });
        let torrent = Seeds::start(&order).file(folder.path());
        let peers: Vec<_> = (0..4).map(|_| peer(Ill::Slow, Arc::clone(&content), piece)).collect();
        let named = peers.iter().flat_map(|(port, _)| ["--peer".to_owned(), format!("127.0.0.1:{port}")]);
        fetch_from(folder.path(), &torrent, &named.collect::<Vec<_>>(), &content);
        let blocks: Vec<usize> = peers.iter().map(|(_, blocks)| blocks.load(Ordering::Relaxed)).collect();
        assert!(blocks.iter().all(|blocks| *blocks > 1024 / 16), "{kind}: {blocks:?} of 1024 blocks");
        assert!(blocks.iter().sum::<usize>() < 1024 * 3 / 2, "{kind}: {blocks:?} of 1024 blocks");
    }
}

#[test]
fn who_spoils_pieces_that_several_peers_share_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (content, piece) = (Arc::new(bytes(8, 80 << 20)), 16 << 20);
    std::fs::write(folder.path().join("a.mp4"), &**content).unwrap();
    let order = json!({
        "root": folder.path(), "name": "a.mp4", "piece": piece, "kind": "v1", "seeds": 10, "limits": [4_000_000],
    });
    let seeds = Seeds::start(&order);
    let torrent = seeds.file(folder.path());
    let (liar, met) = peer(Ill::Sly, Arc::clone(&content), piece);
    let peers = [seeds.peers(), vec!["--peer".to_owned(), format!("127.0.0.1:{liar}")]].concat();
    let output = folder.path().join("fetched");
    let mut command = downloader(&["--torrent", &torrent, "--no-dht", "--encryption", "off"]);
    command.args(&peers).arg("--output").arg(&output).env("RUST_LOG", "videocloud_downloader=info");
    let done = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{log}");
    assert!(std::fs::read(&output).unwrap() == *content, "the bytes differ");
    assert!(met.load(Ordering::Relaxed) > 0, "the liar was never met");
    let banned: Vec<&str> = log.lines().filter(|line| line.contains("a peer is banned")).collect();
    assert!(banned.len() == 1 && banned[0].contains(&format!(":{liar}")), "{log}");
}

#[test]
fn hostile_peers_alone_end_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let content = Arc::new(bytes(8, 1_000_000));
    std::fs::write(folder.path().join("a.mp4"), &**content).unwrap();
    let made = json!({ "root": folder.path(), "name": "a.mp4", "piece": 64 * KIB, "kind": "v1" });
    let torrent = Seeds::start(&made).file(folder.path());
    let (port, _) = peer(Ill::Corrupt, Arc::new(bytes(1, 1_000_000)), 64 * KIB);
    let output = folder.path().join("fetched").display().to_string();
    let peer = format!("127.0.0.1:{port}");
    let arguments =
        ["--torrent", &torrent, "--no-dht", "--peer", &peer, "--output", &output, "--progress-deadline", "3"];
    let (code, last) = run(&arguments);
    assert!(matches!(code, 22 | 23), "{code}: {last}");
    assert!(!std::path::Path::new(&output).exists());
}

/// A server that answers every request with `answer`; counts them.
fn server(address: &str, answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    (port, asked)
}

#[test]
fn a_tracker_leads_to_no_forbidden_address() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), bytes(8, 100_000)).unwrap();
    // The tracker is allowed; it redirects to an address that is not, and one of its peers is there, too.
    let inner = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let (inside, redirected) = server("127.0.0.2:0", inner.clone());
    let (secret, connected) = server("127.0.0.3:0", inner);
    let location = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{inside}/a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let (redirecting, asked) = server("127.0.0.1:0", location.into_bytes());
    let mut peers = b"d8:intervali60e5:peers6:".to_vec();
    peers.extend([127, 0, 0, 3]);
    peers.extend(secret.to_be_bytes());
    peers.extend(b"e");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", peers.len());
    let (naming, named) = server("127.0.0.1:0", [head.into_bytes(), peers].concat());
    let trackers = [redirecting, naming].map(|port| format!("http://127.0.0.1:{port}/announce"));
    let made = json!({ "root": folder.path(), "name": "a.mp4", "piece": 16 * KIB, "kind": "v1" });
    // Put in by hand, lest the seed that makes the torrent goes where the trackers lead.
    let tiers = trackers.map(|tracker| format!("l{}:{tracker}e", tracker.len())).concat();
    let plain = Seeds::start(&made).torrent.clone();
    let torrent = folder.path().join("a.torrent").display().to_string();
    std::fs::write(&torrent, [format!("d13:announce-listl{tiers}e").as_bytes(), &plain[1..]].concat()).unwrap();
    let output = folder.path().join("fetched").display().to_string();
    let arguments = ["--torrent", &torrent, "--no-dht", "--output", &output, "--progress-deadline", "3"];
    let forbidden = ["--peer", "127.0.0.3:9", "--dht-node", "127.0.0.2:9"];
    let mut command = downloader(&[]);
    // The flag of the helper allows all of the loopback: say it anew.
    let program = command.get_program().to_owned();
    command = std::process::Command::new(program);
    command.args(["--json", "--allow-network", "127.0.0.1/32"]).args(arguments).args(forbidden);
    let status = command.env_remove("VIDEOCLOUD_TASK").env_remove("VIDEOCLOUD_STORE").stdout(Stdio::null()).status();
    assert!(matches!(status.unwrap().code(), Some(22 | 23)));
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    assert!(count(&asked) > 0 && count(&named) > 0, "the trackers were not asked");
    assert_eq!((count(&redirected), count(&connected)), (0, 0), "a forbidden address was connected to");
}
