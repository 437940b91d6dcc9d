//! Every kind of source at once: 3 web mirrors, 2 FTP servers and 10 BitTorrent seeds with uneven caps on the loopback, of which a web
//! mirror lies and an FTP server stalls, fetched by videocloud and aria2c in turn:
//! `cargo bench -p videocloud-downloader --bench mixture`. Prints a table and writes `target/bench/mixture.json`.
//!
//! Both get the same torrent, which names a tracker, and the same links; aria2c takes links beside a torrent as web seeds, and counts
//! its connections per host, so each server has an address of its own. It is given `VIDEOCLOUD_BENCH_PATIENCE` seconds (180): it
//! may not end at all. What it leaves is compared with the content.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/support/libtorrent.rs"]
mod libtorrent;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use libtorrent::Seeds;
use serde_json::json;
use support::ftp::{Faulty, Vsftpd};
use support::tracker::opentracker;
use support::{bytes, nginx::Nginx};

const ROUNDS: usize = 3;
/// Bytes per second of the seeds.
const SEEDS: [u64; 10] =
    [1_000_000, 1_000_000, 2_000_000, 2_000_000, 3_000_000, 3_000_000, 4_000_000, 4_000_000, 5_000_000, 6_000_000];
/// Caps of the web mirrors as nginx has them, and whether they lie.
const MIRRORS: [(&str, f64, bool); 3] = [("8m", 8.0, false), ("4m", 4.0, false), ("6m", 0.0, true)];
/// Bytes per second of the FTP server that works; the other is as good as silent.
const FTP: u64 = 6_000_000;

/// A torrent file, links, and the folder for the file.
type Client = fn(&str, &[String], &Path) -> Command;

/// Seconds, and whether the right bytes were there at the end.
type Outcome = (f64, bool);

fn main() {
    let number = |name: &str, usual: usize| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (size, patience) = (number("VIDEOCLOUD_BENCH_MIB", 256) << 20, number("VIDEOCLOUD_BENCH_PATIENCE", 180));
    let patience = Duration::from_secs(patience as u64);
    let folder = tempfile::tempdir().unwrap();
    let (content, wrong) = (bytes(1, size), bytes(2, size));
    fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let order = json!({ "root": folder.path(), "name": "a.mp4", "piece": 1 << 20, "kind": "v1" });
    let hash = Seeds::start(&order).magnet.split("btih:").nth(1).unwrap()[..40].to_owned();
    let (_tracker, port) = opentracker(folder.path(), &[hash]);
    let mut order = order;
    order["trackers"] = json!([format!("http://127.0.0.1:{port}/announce")]);
    order["seeds"] = json!(SEEDS.len());
    order["limits"] = json!(SEEDS);
    let seeds = Seeds::start(&order);
    let torrent = seeds.file(folder.path());
    let mut hosts = (10..).map(|i| format!("127.0.0.{i}"));
    let mut host = || hosts.next().unwrap();
    let web = MIRRORS.map(|(cap, _, lies)| {
        let server = Nginx::start_on(&host(), &format!("limit_rate {cap};"));
        server.put("a.mp4", if lies { &wrong } else { &content });
        server
    });
    let (server, silent) = (Vsftpd::start_on(&host(), &format!("anon_max_rate={FTP}")), Faulty::start(&["rate=1"]));
    server.put("a.mp4", &content);
    silent.put("a.mp4", &content);
    let ftp = [server.url("ftp", "a.mp4"), silent.url("ftp", "a.mp4")];
    let links: Vec<String> = web.iter().map(|server| server.url("a.mp4")).chain(ftp).collect();
    let honest = MIRRORS.iter().map(|(_, cap, _)| cap * 1_048_576.0).sum::<f64>()
        + FTP as f64
        + SEEDS.iter().sum::<u64>() as f64;
    let clients: [(&str, Client); 2] = [("videocloud", videocloud), ("aria2c", aria2c)];
    let mut seen: [Vec<Outcome>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((_, client), seen) in clients.iter().zip(&mut seen) {
            let place = folder.path().join("fetched");
            fs::create_dir_all(&place).unwrap();
            let seconds = timed(client(&torrent, &links, &place), patience);
            let right = fs::read(place.join("a.mp4")).is_ok_and(|found| found == content);
            seen.push((seconds, right));
            fs::remove_dir_all(&place).unwrap();
        }
    }
    println!("{:<12} {:>9} {:>10} {:>12}", "client", "seconds", "of the sum", "right bytes");
    let mut results = Vec::new();
    for ((name, _), mut seen) in clients.iter().zip(seen) {
        seen.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (seconds, right) = (seen[seen.len() / 2].0, seen.iter().filter(|(_, right)| *right).count());
        let part = size as f64 / seconds / honest;
        println!("{name:<12} {seconds:>9.2} {part:>10.3} {:>12}", format!("{right} of {ROUNDS}"));
        results.push(
            json!({ "client": name, "seconds": seconds, "partOfTheSum": part, "rounds": ROUNDS, "right": right }),
        );
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let report = json!({ "bytes": size, "results": results });
    fs::write(out.join("mixture.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

/// Runs it for so long at most.
fn timed(mut command: Command, patience: Duration) -> f64 {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed().as_secs_f64()
}

fn videocloud(torrent: &str, links: &[String], place: &Path) -> Command {
    let mut command = support::downloader(&["--torrent", torrent, "--no-dht", "--connections", "1"]);
    for link in links {
        command.args(["--source", link]);
    }
    command.arg("--output").arg(place.join("a.mp4"));
    command
}

fn aria2c(torrent: &str, links: &[String], place: &Path) -> Command {
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--quiet", "--file-allocation=falloc", "--seed-time=0", "--enable-dht=false"]);
    command.args(["--bt-enable-lpd=false", "--max-connection-per-server=1", "--split=16", "--min-split-size=1M"]);
    command.arg("--dir").arg(place).arg("--torrent-file").arg(torrent).args(links);
    command
}
