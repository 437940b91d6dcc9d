//! Several capped mirrors on the loopback, fetched by videocloud and aria2c in turn:
//! `cargo bench -p videocloud-downloader --bench mirrors`. Prints a table and writes `target/bench/mirrors.json`.
//!
//! nginx caps each connection, and both clients open one per mirror, so the sum of the caps is what can be had. Each mirror has an
//! address of its own, because aria2c counts its connections per host. A mirror that lies is given with the digest to both:
//! aria2c is asked to check it, too, and its exit code is told.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, path::Path, process::Command, process::Stdio, time::Instant};

use serde_json::json;
use support::{bytes, digest, nginx::Nginx};

const ROUNDS: usize = 3;
const MIB: usize = 1 << 20;

/// One set of mirrors.
struct World {
    name: &'static str,
    /// Mebibytes of the content.
    size: usize,
    /// Cap of each mirror in nginx's words, and whether it has other bytes.
    mirrors: Vec<(&'static str, bool)>,
    /// Bytes per second of all mirrors that are right.
    sum: f64,
}

fn worlds() -> Vec<World> {
    let mib = MIB as f64;
    vec![
        World { name: "8 mirrors of 10 MiB/s", size: 512, mirrors: vec![("10m", false); 8], sum: 80.0 * mib },
        World {
            name: "3 mirrors of 20 MiB/s, one of 10 KiB/s",
            size: 256,
            mirrors: vec![("20m", false), ("20m", false), ("20m", false), ("10k", false)],
            sum: 60.0 * mib,
        },
        World {
            name: "3 mirrors of 20 MiB/s, one that lies",
            size: 256,
            mirrors: vec![("20m", false), ("20m", true), ("20m", false), ("20m", false)],
            sum: 60.0 * mib,
        },
    ]
}

fn videocloud(urls: &[String], wanted: &str, output: &Path) -> Command {
    let mut command = support::downloader(&["--connections", "1", "--digest", wanted]);
    for url in urls {
        command.args(["--source", url]);
    }
    command.arg("--output").arg(output);
    command
}

fn aria2c(urls: &[String], wanted: &str, output: &Path) -> Command {
    let mut command = Command::new("aria2c");
    let count = urls.len().to_string();
    command.args([
        "--no-conf",
        "--quiet",
        "--file-allocation=falloc",
        "--max-connection-per-server=1",
        "--split",
        &count,
    ]);
    command.args(["--min-split-size=1M", "--checksum", &wanted.replace("sha256:", "sha-256="), "--dir"]);
    command.arg(output.parent().unwrap()).arg("--out").arg(output.file_name().unwrap()).args(urls);
    command
}

type Client = fn(&[String], &str, &Path) -> Command;

fn main() {
    let clients: [(&str, Client); 2] = [("videocloud", videocloud), ("aria2c", aria2c)];
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut results = Vec::new();
    println!("{:<42} {:<12} {:>9} {:>10} {:>6}", "mirrors", "client", "seconds", "of the sum", "exit");
    for world in worlds() {
        let (content, other) = (bytes(1, world.size * MIB), bytes(2, world.size * MIB));
        let wanted = digest(&content);
        let servers: Vec<Nginx> = world
            .mirrors
            .iter()
            .enumerate()
            .map(|(i, (cap, lies))| {
                let server = Nginx::start_on(&format!("127.0.0.{}", 10 + i), &format!("limit_rate {cap};"));
                server.put("a.mp4", if *lies { &other } else { &content });
                server
            })
            .collect();
        let urls: Vec<String> = servers.iter().map(|server| server.url("a.mp4")).collect();
        let mut seen: Vec<Vec<(f64, i32)>> = vec![Vec::new(); clients.len()];
        for _ in 0..ROUNDS {
            for ((_, client), seen) in clients.iter().zip(&mut seen) {
                let output = folder.path().join("fetched.mp4");
                let begun = Instant::now();
                let status =
                    client(&urls, &wanted, &output).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                seen.push((begun.elapsed().as_secs_f64(), status.code().unwrap_or(-1)));
                // A client that failed may leave nothing, or something wrong.
                let _ = fs::remove_file(&output);
            }
        }
        for ((name, _), mut seen) in clients.iter().zip(seen) {
            seen.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            let (seconds, exit) = seen[seen.len() / 2];
            let part = content.len() as f64 / seconds / world.sum;
            println!("{:<42} {name:<12} {seconds:>9.2} {part:>10.3} {exit:>6}", world.name);
            results.push(json!({
                "mirrors": world.name, "client": name, "seconds": seconds, "partOfTheSum": part, "exitCode": exit,
            }));
        }
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let report = json!({ "rounds": ROUNDS, "results": results });
    fs::write(out.join("mirrors.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}
