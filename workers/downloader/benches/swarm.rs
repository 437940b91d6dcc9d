//! BitTorrent alone: 1 and 20 unlimited libtorrent seeds on the loopback, fetched by videocloud and by libtorrent in turn:
//! `cargo bench -p videocloud-downloader --bench swarm`. Prints a table and writes `target/bench/swarm.json`.
//!
//! Both verify every piece, speak TCP and write a file on the same file system. For videocloud the time is that of the whole process, with its
//! start and the SHA-256 of the whole; for libtorrent only that from adding the torrent to its last piece. The rounds alternate;
//! the figure is the median round. `VIDEOCLOUD_BENCH_MIB` sets the size.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/support/libtorrent.rs"]
mod libtorrent;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, path::Path, process::Stdio, time::Instant};

use libtorrent::Seeds;
use serde_json::{Value, json};
use support::{bytes, downloader};

const ROUNDS: usize = 3;

fn main() {
    let mebibytes: usize = std::env::var("VIDEOCLOUD_BENCH_MIB").ok().map_or(128, |text| text.parse().unwrap());
    let size = mebibytes << 20;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.mp4"), bytes(1, size)).unwrap();
    let mut results = Vec::new();
    println!("{:<6} {:>6} {:>18} {:>17} {:>6}", "kind", "seeds", "videocloud MB/s", "libtorrent MB/s", "ratio");
    for (kind, count) in [("v1", 1), ("v1", 20), ("v2", 1)] {
        let order = json!({ "root": folder.path(), "name": "a.mp4", "piece": 1 << 20, "kind": kind, "seeds": count });
        let seeds = Seeds::start(&order);
        let torrent = seeds.file(folder.path());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (a, b) = (videocloud(folder.path(), &torrent, &seeds), reference(folder.path(), &seeds, size));
            // The first round warms the page cache for all.
            if round > 0 {
                ours.push(size as f64 / a);
                theirs.push(size as f64 / b);
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{kind:<6} {count:>6} {:>18.0} {:>17.0} {:>6.2}", ours / 1e6, theirs / 1e6, ours / theirs);
        results.push(json!({
            "kind": kind, "seeds": count, "bytesPerSecond": ours, "libtorrentBytesPerSecond": theirs, "ratio": ours / theirs,
        }));
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = json!({ "cores": cores, "bytes": size, "rounds": ROUNDS, "results": results });
    fs::write(out.join("swarm.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

fn videocloud(folder: &Path, torrent: &str, seeds: &Seeds) -> f64 {
    let output = folder.join("fetched.mp4");
    let mut command = downloader(&["--torrent", torrent, "--no-dht"]);
    command.args(seeds.peers()).arg("--output").arg(&output).stdout(Stdio::null());
    let begun = Instant::now();
    assert!(command.status().unwrap().success(), "videocloud failed");
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_file(output).unwrap();
    seconds
}

fn reference(folder: &Path, seeds: &Seeds, size: usize) -> f64 {
    let to = folder.join("reference");
    fs::create_dir_all(&to).unwrap();
    let order = json!({ "role": "download", "root": to, "torrent": hex::encode(&seeds.torrent), "ports": seeds.ports });
    let done = libtorrent::command(&order).output().unwrap();
    let said: Value = serde_json::from_slice(&done.stdout).expect("libtorrent says how long it took");
    assert_eq!(fs::metadata(to.join("a.mp4")).unwrap().len(), size as u64);
    fs::remove_dir_all(to).unwrap();
    said["seconds"].as_f64().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
