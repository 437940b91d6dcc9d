//! The edge beside nginx (sendfile, one worker) on the same file, in the same run, asked by the same `wrk`:
//! `cargo bench -p videocloud-uploader --bench edge`. Prints a table and writes `target/bench/edge.json`.
//!
//! CPU is what the server's processes used, from `/proc/<pid>/stat`. Both serve from the page cache. The rounds alternate, so
//! that what else the machine does meanwhile meets both; the figure is the median round.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod server;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use server::{Server, nginx, program, uploader};

/// Bytes of the file.
const SIZE: usize = 64 << 20;
/// Seconds of one round.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;

/// One way to ask.
struct Load {
    name: &'static str,
    range: Option<u64>,
    connections: u32,
}

const LOADS: [Load; 4] = [
    Load { name: "range 4 KiB, 64 connections", range: Some(4 << 10), connections: 64 },
    Load { name: "range 64 KiB, 64 connections", range: Some(64 << 10), connections: 64 },
    Load { name: "range 4 MiB, 16 connections", range: Some(4 << 20), connections: 16 },
    Load { name: "whole 64 MiB, 4 connections", range: None, connections: 4 },
];

/// What one round measured.
#[derive(Clone, Copy)]
struct Round {
    requests_per_second: f64,
    bytes_per_second: f64,
    cpu_seconds_per_gigabyte: f64,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (edge, path) = uploader(folder.path(), SIZE);
    let peer = nginx(folder.path(), &path);
    let mut results = Vec::new();
    println!("{:<30} {:>12} {:>12} {:>10} {:>14}", "load", "server", "requests/s", "MB/s", "CPU s per GB");
    for load in &LOADS {
        let mut rounds: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            for server in [&edge, &peer] {
                rounds.entry(server.name).or_default().push(round(server, load, folder.path()));
            }
        }
        for (server, rounds) in rounds {
            let figure = Round {
                requests_per_second: median(rounds.iter().map(|round| round.requests_per_second)),
                bytes_per_second: median(rounds.iter().map(|round| round.bytes_per_second)),
                cpu_seconds_per_gigabyte: median(rounds.iter().map(|round| round.cpu_seconds_per_gigabyte)),
            };
            println!(
                "{:<30} {server:>12} {:>12.0} {:>10.0} {:>14.3}",
                load.name,
                figure.requests_per_second,
                figure.bytes_per_second / 1e6,
                figure.cpu_seconds_per_gigabyte
            );
            results.push(serde_json::json!({
                "load": load.name,
                "server": server,
                "requestsPerSecond": figure.requests_per_second,
                "bytesPerSecond": figure.bytes_per_second,
                "cpuSecondsPerGigabyte": figure.cpu_seconds_per_gigabyte,
            }));
        }
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = serde_json::json!({ "cores": cores, "seconds": SECONDS, "rounds": ROUNDS, "results": results });
    fs::write(out.join("edge.json"), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
}

fn round(server: &Server, load: &Load, folder: &Path) -> Round {
    // wrk says what it counted in a script's last function.
    let script = folder.join("wrk.lua");
    let done = "done = function(s) io.write(('%d %d %d %d\\n'):format(s.requests, s.bytes, s.duration, \
                s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout)) end";
    fs::write(&script, done).unwrap();
    let mut wrk = Command::new(program("wrk", "wrk"));
    wrk.args(["-t1", &format!("-c{}", load.connections), &format!("-d{SECONDS}s"), "-s"]).arg(script);
    if let Some(bytes) = load.range {
        wrk.args(["-H", &format!("Range: bytes=1048576-{}", 1_048_576 + bytes - 1)]);
    }
    let before = server.cpu_seconds();
    let output = wrk.arg(&server.url).output().unwrap();
    let used = server.cpu_seconds() - before;
    let text = String::from_utf8(output.stdout).unwrap();
    let counted: Vec<f64> = text.lines().last().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    let [requests, bytes, micros, errors] = counted[..] else { panic!("{text}") };
    assert!(requests > 0.0 && errors == 0.0, "{}: {text}", server.name);
    Round {
        requests_per_second: requests * 1e6 / micros,
        bytes_per_second: bytes * 1e6 / micros,
        cpu_seconds_per_gigabyte: used * 1e9 / bytes,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
