//! What an object costs the operator, on a real API server with the real Job controller:
//! `cargo bench -p videocloud-operator --bench objects`. Prints a table and writes `target/bench/operator.json`.
//!
//! Memory is the resident set of an operator process of its own over clusters of more and more VideoObjects that are refused
//! for good (so each has a status with conditions), as the slope between the smallest and the largest. Writes are counted in
//! the client, from apply to Ready with one rendition, events included, watches and the leader's Lease aside.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

#[path = "../tests/lifecycle/support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::json;
use support::Hub;
use videocloud_crds::conditions::types;

/// VideoObjects in the cluster when the memory is read.
const SIZES: [usize; 3] = [0, 1000, 4000];
/// Objects made at the same time.
const MAKERS: usize = 8;

#[tokio::main]
async fn main() {
    let writes = writes().await;
    let memory = memory().await;
    let (first, last) = (memory[0], memory[SIZES.len() - 1]);
    let slope = last.1.saturating_sub(first.1) as f64 / (last.0 - first.0) as f64;
    println!("\n{:<44} {:>10}", "figure", "value");
    println!("{:<44} {writes:>10}", "API writes from apply to Ready, one rendition");
    for (objects, resident) in &memory {
        println!(
            "{:<44} {:>10.1}",
            format!("resident MiB over {objects} objects"),
            *resident as f64 / f64::from(1 << 20)
        );
    }
    println!("{:<44} {slope:>10.0}", "bytes per object");
    let report = json!({
        "writesFromApplyToReady": writes,
        "resident": memory.iter().map(|(objects, bytes)| json!({ "objects": objects, "bytes": bytes })).collect::<Vec<_>>(),
        "bytesPerObject": slope,
    });
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("operator.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

async fn writes() -> u64 {
    let hub = Hub::start("writes", 0).await;
    let operator = hub.operator(&[]).await;
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    hub.until_ready("one").await;
    let writes = operator.writes();
    operator.stop().await;
    writes
}

/// Resident bytes of a freshly started operator once it has seen every object, for each of [`SIZES`].
async fn memory() -> Vec<(usize, u64)> {
    let hub = Hub::start("memory", 0).await;
    let mut measured = Vec::new();
    let mut made = 0;
    for size in SIZES {
        let writer = hub.operator(&[]).await;
        stream::iter(made..size)
            .for_each_concurrent(MAKERS, |number| {
                let hub = &hub;
                async move {
                    let name = format!("video-{number:06}");
                    hub.video(&name, "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", json!({})).await;
                    hub.until_true(&name, types::STALLED).await;
                }
            })
            .await;
        made = size;
        writer.stop().await;
        let resident = Process::start(&hub).settled(size);
        println!("{size} objects: {resident} bytes resident");
        measured.push((size, resident));
    }
    measured
}

/// An operator process; ended when dropped.
struct Process {
    child: Child,
    metrics: String,
}

impl Process {
    fn start(hub: &Hub) -> Self {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-operator"));
        command.args(hub.flags(&[&format!("--http={listen}")]).into_iter().skip(1));
        command.env("KUBECONFIG", hub.kubeconfig()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), metrics: format!("http://{listen}/metrics") }
    }

    /// Resident bytes once `objects` have been looked at and found unchanged.
    fn settled(&self, objects: usize) -> u64 {
        let line = "videocloud_operator_reconciles_total{controller=\"Video\",outcome=\"Unchanged\"}";
        for _ in 0..600 {
            let text = self.curl();
            let seen = text.lines().filter_map(|l| l.strip_prefix(line)?.trim().parse::<usize>().ok()).max();
            if !text.is_empty() && seen.unwrap_or(0) >= objects {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let status = fs::File::open(format!("/proc/{}/status", self.child.id())).unwrap();
        let lines = BufReader::new(status).lines().map(Result::unwrap);
        let resident = lines.into_iter().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned)).unwrap();
        resident.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    fn curl(&self) -> String {
        let output = Command::new("curl").args(["--silent", "--max-time", "5", &self.metrics]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
