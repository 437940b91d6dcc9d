//! One HTTP origin (nginx, sendfile) on the loopback, fetched by videocloud, aria2c and curl in turn:
//! `cargo bench -p videocloud-downloader --bench throughput`. Prints a table and writes `target/bench/download.json`.
//!
//! Every one writes a file on the same file system, first in memory (`/dev/shm`), then on the disk of the temporary folder;
//! videocloud computes its SHA-256 as well, in the same time, so the others are measured with it, too: aria2c by `--checksum`, curl
//! with `sha256sum` after it. The rounds alternate, so that what else the machine does meanwhile
//! meets all; the figure is the median round. CPU is what the finished process used, from `/proc/self/stat`.
//! `VIDEOCLOUD_BENCH_MIB` sets the size, `VIDEOCLOUD_BENCH_ROUNDS` the rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, path::Path, process::Command, time::Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use support::{bytes, nginx::Nginx};

/// Ticks of `/proc/<pid>/stat` per second (USER_HZ, fixed by the kernel's interface).
const TICKS: f64 = 100.0;

/// One way to fetch.
struct Way {
    name: &'static str,
    connections: u32,
    command: fn(&Wanted) -> Command,
}

/// What is fetched where to.
struct Wanted<'a> {
    url: &'a str,
    output: &'a Path,
    connections: u32,
    sha256: &'a str,
}

const WAYS: [Way; 8] = [
    Way { name: "videocloud", connections: 1, command: videocloud },
    Way { name: "aria2c, SHA-256", connections: 1, command: aria2c_hashed },
    Way { name: "curl, SHA-256", connections: 1, command: curl_hashed },
    Way { name: "aria2c", connections: 1, command: aria2c },
    Way { name: "curl", connections: 1, command: curl },
    Way { name: "videocloud", connections: 8, command: videocloud },
    Way { name: "aria2c, SHA-256", connections: 8, command: aria2c_hashed },
    Way { name: "aria2c", connections: 8, command: aria2c },
];

fn videocloud(wanted: &Wanted) -> Command {
    let mut command = support::downloader(&["--source", wanted.url, "--connections", &wanted.connections.to_string()]);
    command.arg("--output").arg(wanted.output);
    command
}

fn aria2c(wanted: &Wanted) -> Command {
    let mut command = Command::new("aria2c");
    let count = wanted.connections.to_string();
    command.args(["--no-conf", "--quiet", "--file-allocation=falloc", "--max-connection-per-server", &count]);
    command.args(["--split", &count, "--min-split-size=1M", "--dir"]).arg(wanted.output.parent().unwrap());
    command.arg("--out").arg(wanted.output.file_name().unwrap()).arg(wanted.url);
    command
}

fn aria2c_hashed(wanted: &Wanted) -> Command {
    let mut command = aria2c(wanted);
    command.arg(format!("--checksum=sha-256={}", wanted.sha256));
    command
}

fn curl(wanted: &Wanted) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--output"]).arg(wanted.output).arg(wanted.url);
    command
}

fn curl_hashed(wanted: &Wanted) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"curl --silent --fail --output "$1" "$2" && echo "$3  $1" | sha256sum --check --status"#,
        "sh",
    ]);
    command.arg(wanted.output).arg(wanted.url).arg(wanted.sha256);
    command
}

fn main() {
    let number = |name: &str, usual: usize| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (mebibytes, rounds) = (number("VIDEOCLOUD_BENCH_MIB", 4096), number("VIDEOCLOUD_BENCH_ROUNDS", 3));
    let size = mebibytes << 20;
    let server = Nginx::start("sendfile on; tcp_nopush on;");
    let content = bytes(1, size);
    server.put("a.mp4", &content);
    let (url, sha256) = (server.url("a.mp4"), hex::encode(Sha256::digest(&content)));
    drop(content);
    println!("{:<8} {:<16} {:>11} {:>10} {:>14}", "output", "client", "connections", "MB/s", "CPU s per GB");
    let mut results = Vec::new();
    for (place, folder) in [("memory", tempfile::tempdir_in("/dev/shm")), ("disk", tempfile::tempdir())] {
        let folder = folder.unwrap();
        for (way, seen) in WAYS.iter().zip(measure(&url, &sha256, folder.path(), size, rounds)) {
            let rate = size as f64 / median(seen.iter().map(|round| round.0));
            let cpu = median(seen.iter().map(|round| round.1)) / (size as f64 / 1e9);
            println!("{place:<8} {:<16} {:>11} {:>10.0} {cpu:>14.3}", way.name, way.connections, rate / 1e6);
            results.push(json!({
                "output": place, "client": way.name, "connections": way.connections, "bytesPerSecond": rate,
                "cpuSecondsPerGigabyte": cpu,
            }));
        }
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = json!({ "cores": cores, "bytes": size, "rounds": rounds, "results": results });
    fs::write(out.join("download.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

/// Seconds and CPU seconds of each round of each way, in turns.
fn measure(url: &str, sha256: &str, folder: &Path, size: usize, rounds: usize) -> Vec<Vec<(f64, f64)>> {
    let mut all: Vec<Vec<(f64, f64)>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (way, seen) in WAYS.iter().zip(&mut all) {
            let output = folder.join("fetched.mp4");
            let (begun, before) = (Instant::now(), children_cpu());
            let wanted = Wanted { url, output: &output, connections: way.connections, sha256 };
            let status = (way.command)(&wanted).stdout(std::process::Stdio::null()).status();
            let (wall, cpu) = (begun.elapsed().as_secs_f64(), children_cpu() - before);
            assert!(status.unwrap().success(), "{} failed", way.name);
            assert_eq!(fs::metadata(&output).unwrap().len(), size as u64, "{}", way.name);
            fs::remove_file(&output).unwrap();
            // The first round warms the page cache for all.
            if round > 0 {
                seen.push((wall, cpu));
            }
        }
    }
    all
}

/// Seconds of CPU of all children waited for so far, user and system.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Fields 16 and 17 of proc(5), counted from the state, which is field 3.
    fields[13..15].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
