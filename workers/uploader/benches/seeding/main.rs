//! Seeding beside libtorrent and Transmission on the same content, in the same run, to the same load: `cargo bench -p videocloud-uploader --bench seeding`.
//! Prints tables and writes `target/bench/seeding.json`.
//!
//! The load is in this process: peers that ask for blocks of 16 KiB, 64 at a time each, and drop what comes. CPU is what the seeder's
//! process used, from `/proc/<pid>/stat`; both serve from the page cache, over plain connections. The rounds alternate; the figure is
//! the median round. Then: the memory of idle torrents.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod load;
mod seeders;

use std::{collections::BTreeMap, fs, path::Path};

use seeders::{Seeder, idle, libtorrent, store, transmission, videocloud};

/// Bytes of the content.
const SIZE: usize = 256 << 20;
const ROUNDS: usize = 5;
/// Seconds of one round.
const SECONDS: u64 = 3;
/// Idle torrents.
const IDLE: usize = 10_000;

fn main() {
    nofile();
    let folder = tempfile::tempdir().unwrap();
    let content = store(folder.path(), SIZE);
    let ours = videocloud(folder.path(), &content);
    let theirs = [libtorrent(folder.path(), &content), transmission(folder.path(), &content)];
    // It hashes the file first.
    load::until_served(theirs[1].address, &theirs[1].torrent);
    let mut results = Vec::new();
    println!("{:>12} {:>12} {:>10} {:>14} {:>10}", "connections", "seeder", "MB/s", "CPU s per GB", "MB/CPU s");
    for connections in [1, 50, 1000] {
        let mut rounds: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            // Transmission takes minutes until it has served each of a thousand.
            let fit = |seeder: &&Seeder| connections <= 50 || seeder.name != "transmission";
            for seeder in std::iter::once(&ours).chain(&theirs).filter(fit) {
                rounds.entry(seeder.name).or_default().push(round(seeder, connections));
            }
        }
        for (seeder, rounds) in rounds {
            let rate = median(rounds.iter().map(|round| round.0));
            let cpu = median(rounds.iter().map(|round| round.1));
            println!("{connections:>12} {seeder:>12} {:>10.0} {cpu:>14.3} {:>10.0}", rate / 1e6, 1e3 / cpu);
            results.push(serde_json::json!({
                "connections": connections, "seeder": seeder, "bytesPerSecond": rate, "cpuSecondsPerGigabyte": cpu,
            }));
        }
    }
    drop((ours, theirs));
    let (resident, index) = idle(folder.path(), IDLE);
    println!("{IDLE} idle torrents: {resident} bytes of resident memory each, {index} of them in the index");
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = serde_json::json!({
        "cores": cores, "seconds": SECONDS, "rounds": ROUNDS, "results": results,
        "idleTorrents": IDLE, "residentBytesPerIdleTorrent": resident, "indexBytesPerIdleTorrent": index,
    });
    fs::write(out.join("seeding.json"), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
}

/// Bytes per second, and CPU seconds per gigabyte.
fn round(seeder: &Seeder, connections: usize) -> (f64, f64) {
    let before = seeder.cpu_seconds();
    let (bytes, seconds) = load::run(seeder.address, &seeder.torrent, connections, SECONDS);
    let used = seeder.cpu_seconds() - before;
    assert!(bytes > 0, "{} sent nothing", seeder.name);
    (bytes as f64 / seconds, used * 1e9 / bytes as f64)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A thousand connections, at both ends.
fn nofile() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
