//! Announces on the loopback: videocloud, aquatic_udp and opentracker under one load generator, in turns:
//! `cargo bench -p videocloud-tracker --bench announce`. Prints a table and writes `target/bench/tracker.json`.
//!
//! The figure is announces per second of CPU that the server's process used (`/proc/<pid>/stat`): what one core of it does,
//! whatever else the machine does meanwhile. UDP load is made here, HTTP load by wrk. aquatic_udp comes from crates.io into the
//! cache on first use. `VIDEOCLOUD_BENCH_SECONDS` sets the length of a round.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod load;
mod servers;

use std::{process::Command, time::Duration};

use serde_json::json;
use servers::{Server, TORRENTS};

const ROUNDS: usize = 3;

struct Figure {
    per_cpu_second: f64,
    per_second: f64,
}

fn median(figures: &mut [Figure]) -> &Figure {
    figures.sort_by(|a, b| a.per_cpu_second.total_cmp(&b.per_cpu_second));
    &figures[figures.len() / 2]
}

fn figure(server: &Server, load: impl FnOnce() -> (u64, Duration)) -> Figure {
    let before = server.cpu_seconds();
    let (answers, took) = load();
    let cpu = server.cpu_seconds() - before;
    Figure { per_cpu_second: answers as f64 / cpu, per_second: answers as f64 / took.as_secs_f64() }
}

/// Announces over HTTP by wrk: requests answered, by its own count.
fn wrk(server: &Server, round: Duration, close: bool) -> (u64, Duration) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/announce/announce.lua");
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", "32", "--duration", &format!("{}s", round.as_secs())]);
    command.args(["--script", script]).arg(format!("http://{}", server.http.unwrap()));
    let output =
        command.env("TORRENTS", TORRENTS.to_string()).env("CLOSE", u8::from(close).to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("answers ")).unwrap_or_else(|| panic!("wrk said {text}"));
    let mut numbers = line.split(' ').skip(1).map(|number| number.parse::<u64>().unwrap());
    (numbers.next().unwrap(), Duration::from_micros(numbers.next().unwrap()))
}

fn main() {
    let seconds = std::env::var("VIDEOCLOUD_BENCH_SECONDS").ok().map_or(5, |text| text.parse().unwrap());
    let round = Duration::from_secs(seconds);
    let folder = tempfile::TempDir::new().unwrap();
    let mut rows = Vec::new();
    let mut row = |what: &str, name: &str, figures: &mut Vec<Figure>| {
        let Figure { per_cpu_second, per_second } = median(figures);
        println!("| {what} | {name} | {per_cpu_second:.0} | {per_second:.0} |");
        rows.push(json!({ "what": what, "server": name, "announcesPerCpuSecond": per_cpu_second.round(),
            "announcesPerSecond": per_second.round(), "rounds": figures.len() }));
    };
    println!("| load | server | announces per CPU second | announces per second |\n|---|---|---|---|");
    let servers = servers::all(folder.path());
    let mut figures: Vec<Vec<Figure>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (server, figures) in servers.iter().zip(&mut figures) {
            figures.push(figure(server, || load::udp(server.udp, round)));
        }
    }
    for (server, figures) in servers.iter().zip(&mut figures) {
        row("UDP, 30 peers wanted", server.name, figures);
    }
    for (what, close) in [("HTTP, connections kept", false), ("HTTP, a connection each", true)] {
        let servers: Vec<&Server> = servers.iter().filter(|server| server.http.is_some()).collect();
        let mut figures: Vec<Vec<Figure>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                figures.push(figure(server, || wrk(server, round, close)));
            }
        }
        for (server, figures) in servers.iter().zip(&mut figures) {
            row(what, server.name, figures);
        }
    }
    drop(servers);
    println!("\n| server | bytes of resident memory per peer, {} peers in {TORRENTS} swarms |\n|---|---|", load::FILL);
    let mut memory = Vec::new();
    for server in servers::all(folder.path()) {
        let before = server.resident();
        load::fill(server.udp);
        let bytes = (server.resident() - before) as f64 / f64::from(load::FILL);
        println!("| {} | {bytes:.0} |", server.name);
        memory.push(json!({ "server": server.name, "bytesPerPeer": bytes.round(), "peers": load::FILL }));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    std::fs::create_dir_all(folder).unwrap();
    let text = serde_json::to_string_pretty(&json!({ "announces": rows, "memory": memory })).unwrap();
    std::fs::write(format!("{folder}/tracker.json"), text + "\n").unwrap();
}
