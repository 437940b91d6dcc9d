//! A thousand small files (1 MiB each) of one web server on the loopback, fetched side by side in one process by videocloud's engine and
//! by aria2c in turn: `cargo bench -p videocloud-downloader --bench small`. Prints a table and writes `target/bench/small.json`.
//!
//! Each file is a download of its own, with a digest that is checked by both; videocloud publishes each into a store on the same file
//! system. 64 run at once. CPU is that of this process for videocloud, and that of the child for aria2c.
//! `VIDEOCLOUD_BENCH_FILES` sets their number.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use serde_json::json;
use support::{bytes, digest, nginx::Nginx};
use tokio_util::sync::CancellationToken;
use videocloud_downloader::engine::{Status, fetch};
use videocloud_downloader::task::{Network, order};
use videocloud_downloader::verify::Which;
use videocloud_protocol::content::Visibility;
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::{DownloadLimits, DownloadTask, SourceSpec};
use videocloud_protocol::tracker::Wanted;
use videocloud_store::{Durability, Store};

const ROUNDS: usize = 3;
const AT_ONCE: usize = 64;
const LENGTH: usize = 1 << 20;
/// Ticks of `/proc/<pid>/stat` per second (USER_HZ, fixed by the kernel's interface).
const TICKS: f64 = 100.0;

/// A file on the server.
struct File {
    url: String,
    digest: String,
}

fn main() {
    let count = std::env::var("VIDEOCLOUD_BENCH_FILES").ok().map_or(1000, |text| text.parse().unwrap());
    let server = Nginx::start("sendfile on; tcp_nopush on;");
    let files: Vec<File> = (0..count)
        .map(|number| {
            let content = bytes(number, LENGTH);
            server.put(&format!("{number}.mp4"), &content);
            File { url: server.url(&format!("{number}.mp4")), digest: digest(&content) }
        })
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let place = folder.path().join(round.to_string());
        fs::create_dir(&place).unwrap();
        let (begun, before) = (Instant::now(), cpu(11));
        runtime.block_on(videocloud(&files, &place));
        let seen = (begun.elapsed().as_secs_f64(), cpu(11) - before);
        fs::remove_dir_all(&place).unwrap();
        fs::create_dir(&place).unwrap();
        let (begun, before) = (Instant::now(), cpu(13));
        aria2c(&files, &place);
        let beside = (begun.elapsed().as_secs_f64(), cpu(13) - before);
        fs::remove_dir_all(&place).unwrap();
        // The first round warms the page cache for all.
        if round > 0 {
            ours.push(seen);
            theirs.push(beside);
        }
    }
    println!("{:<12} {:>9} {:>11} {:>14}", "client", "seconds", "files per s", "CPU ms a file");
    let mut results = Vec::new();
    for (name, mut seen) in [("videocloud", ours), ("aria2c", theirs)] {
        seen.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (seconds, cpu) = seen[seen.len() / 2];
        let (rate, millis) = (files.len() as f64 / seconds, cpu * 1000.0 / files.len() as f64);
        println!("{name:<12} {seconds:>9.2} {rate:>11.0} {millis:>14.2}");
        results.push(json!({ "client": name, "seconds": seconds, "filesPerSecond": rate, "cpuMillisPerFile": millis }));
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    let report = json!({ "files": files.len(), "bytesEach": LENGTH, "atOnce": AT_ONCE, "results": results });
    fs::write(out.join("small.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

async fn videocloud(files: &[File], place: &Path) {
    let network = Network::new(vec!["127.0.0.0/8".parse().unwrap()], None).unwrap();
    let store = Arc::new(Store::open_folder(place, Durability::Kill).unwrap());
    let each = futures::stream::iter(files).map(|file| {
        let (network, store) = (network.clone(), Arc::clone(&store));
        async move {
            let mut order = order(task(file), &network).unwrap();
            order.hashes = Which::default();
            fetch(&order, &store, &Status::default(), &CancellationToken::new()).await.unwrap();
        }
    });
    each.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

fn task(file: &File) -> DownloadTask {
    let link: videocloud_protocol::link::Link = file.url.parse().unwrap();
    let (digest, visibility) = (Some(file.digest.parse().unwrap()), Visibility::Public);
    let wanted = Wanted {
        links: vec![link.clone()],
        digest: digest.clone(),
        size: None,
        visibility: visibility.clone(),
        variant: String::new(),
    };
    let key = wanted.key();
    let source = SourceSpec {
        name: "source-1".to_owned(),
        link,
        document: None,
        select: None,
        headers: Vec::new(),
        priority: 100,
        credentials: None,
    };
    DownloadTask {
        task: TaskId::download(&key),
        key,
        sources: vec![source],
        digest,
        size: None,
        visibility,
        limits: DownloadLimits { connections_per_host: 1, ..DownloadLimits::default() },
        any_content: true,
        while_downloading: false,
        known: Vec::new(),
    }
}

fn aria2c(files: &[File], place: &Path) {
    let mut list = String::new();
    for (number, file) in files.iter().enumerate() {
        let checksum = file.digest.replace("sha256:", "sha-256=");
        write!(list, "{}\n  out={number}.mp4\n  checksum={checksum}\n", file.url).unwrap();
    }
    let input = place.join("list");
    fs::write(&input, list).unwrap();
    let at_once = AT_ONCE.to_string();
    let status = Command::new("aria2c")
        .args(["--no-conf", "--quiet", "--file-allocation=falloc", "--max-concurrent-downloads", &at_once])
        .args(["--split=1", "--dir"])
        .arg(place)
        .arg("--input-file")
        .arg(&input)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "aria2c failed");
}

/// Seconds of CPU, user and system, from that field of proc(5) on: 11 for this process, 13 for children that were waited for, counted
/// from the state.
fn cpu(field: usize) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[field..field + 2].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}
