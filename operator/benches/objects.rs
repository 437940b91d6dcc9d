//! What an object costs the operator, on a real API server with the real Job controller:
//! `cargo bench -p videocloud-operator --bench objects`. Prints a table and writes `target/bench/operator.json`.
//!
//! Memory is that of an operator process of its own over clusters of more and more objects, as the slope between the smallest
//! and the largest: live heap (what the program holds, by a counting allocator) and resident set (what the allocator took for
//! it). `failed` are VideoObjects refused for good; `ready` are Ready VideoObjects, each with its finished TranscodeJob, told to
//! the tracker. Writes are counted in the client, from apply to Ready with one rendition, events included, watches and the
//! leader's Lease aside, with the operator's default settings.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code, unused_imports)]
#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "../tests/lifecycle/support/mod.rs"]
mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use clap::Parser;
use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::Hub;
use tokio_util::sync::CancellationToken;
use videocloud_crds::{TranscodeJob, VideoObject, conditions::types};
use videocloud_operator::{config::Settings, operator};

/// Videos in the cluster when the memory is read.
const SIZES: [usize; 3] = [0, 1000, 3000];
/// Objects made at the same time.
const MAKERS: usize = 8;
/// Set in the process that is measured.
const MEASURED: &str = "VIDEOCLOUD_BENCH_MEASURED";

/// Bytes that are allocated and not yet freed.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting beside it touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let run = if std::env::var_os(MEASURED).is_some() { measured as fn() } else { measure };
    run();
}

/// The process that is measured: an operator that says on its output, for each line of its input, how much it holds.
fn measured() {
    let settings = Settings::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::thread::spawn(|| {
        for _ in std::io::stdin().lines() {
            println!("{}", LIVE.load(Ordering::Relaxed));
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = kube::Client::try_from(kube::Config::infer().await.unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind(settings.http).await.unwrap();
        operator::run(settings, client, listener, CancellationToken::new()).await.unwrap();
    });
}

#[tokio::main]
async fn measure() {
    let writes = writes().await;
    println!("\n{:<56} {writes:>10}", "API writes from apply to Ready, one rendition");
    let mut report = json!({ "writesFromApplyToReady": writes });
    for (kind, per_video, measured) in [("failed", 1.0, failed().await), ("ready", 2.0, ready().await)] {
        let slope = |of: fn(&Memory) -> u64| {
            let ends = (of(&measured[0].1), of(&measured[SIZES.len() - 1].1));
            ends.1.saturating_sub(ends.0) as f64 / (measured[SIZES.len() - 1].0 - measured[0].0) as f64 / per_video
        };
        let (live, resident) = (slope(|memory| memory.live), slope(|memory| memory.resident));
        println!("{:<56} {live:>10.0}", format!("live heap bytes per object, {kind}"));
        println!("{:<56} {resident:>10.0}", format!("resident bytes per object, {kind}"));
        let points = measured.iter().map(|(n, m)| json!({ "videos": n, "live": m.live, "resident": m.resident }));
        report[kind] = json!({
            "objectsPerVideo": per_video,
            "liveBytesPerObject": live,
            "residentBytesPerObject": resident,
            "points": points.collect::<Vec<_>>(),
        });
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("operator.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

async fn writes() -> u64 {
    let hub = Hub::start("writes", 0).await;
    // The last of two flags counts: the tests' faster rhythm is put back to the default.
    let operator = hub.operator(&["--progress-interval=10"]).await;
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    hub.until_ready("one").await;
    hub.until_event("Playable").await;
    let writes = operator.writes();
    operator.stop().await;
    writes
}

/// VideoObjects that are refused for good, each with a status that says why.
async fn failed() -> Vec<(usize, Memory)> {
    let hub = Hub::start("failed", 0).await;
    let mut measured = Vec::new();
    for (made, size) in [0].into_iter().chain(SIZES).zip(SIZES) {
        let writer = hub.operator(&[]).await;
        each(made..size, async |number| {
            let name = format!("video-{number:06}");
            hub.video(&name, "ed2k://|file|a.mp4|1|965c013e991ee246d63d45ea71954c4d|/", json!({})).await;
            hub.until_true(&name, types::STALLED).await;
        })
        .await;
        writer.stop().await;
        measured.push((size, Process::start(&hub).settled(size)));
    }
    measured
}

/// Ready VideoObjects with one rendition: one is made by the operator, the others are given its status.
async fn ready() -> Vec<(usize, Memory)> {
    let hub = Hub::start("ready", 0).await;
    let writer = hub.operator(&[]).await;
    hub.video("model", "http://origin.example/model.mp4", json!({})).await;
    let model = hub.until_ready("model").await;
    let job = hub.transcodes().get("model-ready").await.unwrap();
    writer.stop().await;
    let mut measured = Vec::new();
    for (made, size) in [0].into_iter().chain(SIZES).zip(SIZES) {
        each(made..size, async |number| copy(&hub, number, &model, &job).await).await;
        measured.push((size, Process::start(&hub).settled(size + 1)));
    }
    measured
}

async fn copy(hub: &Hub, number: usize, model: &VideoObject, job: &TranscodeJob) {
    let name = format!("video-{number:06}");
    let as_own = |status: Value| -> Value {
        let text = status.to_string().replace("/ready/model/", &format!("/ready/{name}/"));
        serde_json::from_str(&text.replace("\"model-ready\"", &format!("\"{name}-ready\""))).unwrap()
    };
    let video = hub.video(&name, &format!("http://origin.example/{name}.mp4"), json!({})).await;
    let mut owner = job.metadata.owner_references.clone().unwrap();
    owner[0].name.clone_from(&name);
    owner[0].uid = video.metadata.uid.clone().unwrap();
    let mut twin = job.clone();
    twin.metadata = kube::api::ObjectMeta {
        name: Some(format!("{name}-ready")),
        namespace: job.metadata.namespace.clone(),
        owner_references: Some(owner),
        ..kube::api::ObjectMeta::default()
    };
    twin.spec.video_ref.name = name.as_str().into();
    hub.transcodes().create(&PostParams::default(), &twin).await.unwrap();
    let status = |status: Value| Patch::Merge(json!({ "status": as_own(status) }));
    let parameters = PatchParams::default();
    let shown = status(serde_json::to_value(&job.status).unwrap());
    hub.transcodes().patch_status(&format!("{name}-ready"), &parameters, &shown).await.unwrap();
    let mut shown = serde_json::to_value(&model.status).unwrap();
    shown["content"]["id"] = json!(support::content_of(&name).to_string());
    // What the wish gives: a key of its own.
    shown["claimKey"] = json!(&support::content_of(&name).to_string()[..32]);
    hub.videos().patch_status(&name, &parameters, &status(shown)).await.unwrap();
}

async fn each(numbers: std::ops::Range<usize>, make: impl AsyncFn(usize)) {
    let make = &make;
    stream::iter(numbers).for_each_concurrent(MAKERS, |number| async move { make(number).await }).await;
}

/// What a process holds, bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    live: u64,
    resident: u64,
}

/// An operator process; ended when dropped.
struct Process {
    child: Child,
    said: BufReader<ChildStdout>,
    metrics: String,
}

impl Process {
    fn start(hub: &Hub) -> Self {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(hub.flags(&[&format!("--http={listen}")]).into_iter().skip(1));
        command.env(MEASURED, "1").env("KUBECONFIG", hub.kubeconfig());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said, metrics: format!("http://{listen}/metrics") }
    }

    /// What it holds once `videos` have been looked at and nothing waits.
    fn settled(mut self, videos: usize) -> Memory {
        let mut calm = 0;
        for _ in 0..1200 {
            let text = self.curl();
            let sum = |name: &str| -> Option<usize> {
                let values = text.lines().filter(|line| line.starts_with(name));
                values.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<usize>().ok())).sum()
            };
            let looked = sum("videocloud_operator_reconciles_total{controller=\"Video\"").unwrap_or(0);
            let waiting = sum("videocloud_operator_queue_objects").unwrap_or(1);
            // Twice, so that passes under way have ended.
            calm = if !text.is_empty() && looked >= videos && waiting == 0 { calm + 1 } else { 0 };
            if calm > 5 {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(calm > 5, "the operator never came to rest over {videos} videos");
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident = resident.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024;
        let mut line = String::new();
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
        self.said.read_line(&mut line).unwrap();
        let memory = Memory { live: line.trim().parse().unwrap(), resident };
        println!("{videos} videos: {memory:?}");
        memory
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
