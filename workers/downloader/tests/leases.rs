//! Downloads in processes of their own share one nginx by leases from a real tracker: together they keep to its limits, each gets its
//! part, and a tracker that goes away stops nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use support::bytes;
use support::hub::Hub;
use support::nginx::Nginx;
use videocloud_protocol::content::Visibility;
use videocloud_protocol::ids::{ClaimKey, TaskId};
use videocloud_protocol::task::{
    DownloadLimits, DownloadTask, Outcome, SharedLimits, SourceSpec, TaskResult, TaskState,
};
use videocloud_protocol::tracker::{HostShare, HostUse, HostsRequest};

const MIB: usize = 1 << 20;
const RATE: u64 = 4 << 20;

fn order(seed: u8, link: &str) -> DownloadTask {
    let key = ClaimKey::from_bytes([seed; 16]);
    let shared =
        SharedLimits { connections: 4, requests_per_second: Some(40), bytes_per_second: Some(RATE), downloads: 4 };
    DownloadTask {
        task: TaskId::download(&key),
        key,
        sources: vec![SourceSpec {
            name: "origin".into(),
            link: link.parse().unwrap(),
            document: None,
            select: None,
            headers: Vec::new(),
            priority: 100,
            credentials: None,
        }],
        digest: None,
        size: None,
        visibility: Visibility::Public,
        limits: DownloadLimits { shared: Some(shared), ..DownloadLimits::default() },
        any_content: true,
        while_downloading: false,
        known: Vec::new(),
    }
}

/// Established connections to `port` of the loopback, as the kernel counts them at the server's end.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let open = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() > 3 && words[1].ends_with(&local) && words[3] == "01"
    };
    table.lines().filter(open).count()
}

fn ended(child: &mut Child) -> bool {
    child.try_wait().unwrap().inspect(|status| assert!(status.success(), "{status}")).is_some()
}

async fn is_there(hub: &Hub, task: &TaskId, content: &[u8], store: &Path) {
    let records = hub.tasks().await;
    let TaskState::Ended(TaskResult::Succeeded(Outcome::Download(outcome))) = &records[task].state else {
        panic!("{:?}", records[task]);
    };
    let id = outcome.content.id.to_string();
    assert!(std::fs::read(store.join(format!("blobs/{}/{id}", &id[..2]))).unwrap() == content);
}

/// Waits for the tracker to have heard who holds what: until then everybody takes a careful share.
async fn settled(hub: &Hub) {
    let task = TaskId::download(&ClaimKey::from_bytes([99; 16]));
    let all = HostShare { connections: 1, ..HostShare::default() };
    let used = HostUse { host: "elsewhere:80".into(), limits: all, wants: all, holds: HostShare::default() };
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = hub.worker(&task).hosts(&task, &HostsRequest { hosts: vec![used.clone()] }).await.unwrap();
        if answer.hosts[0].share.is_some() {
            break;
        }
        assert!(Instant::now() < limit, "the tracker does not give shares");
        tokio::time::sleep(Duration::from_millis(u64::from(answer.renew_millis).min(200))).await;
    }
    hub.worker(&task).hosts(&task, &HostsRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_downloads_together_keep_to_the_limits_of_one_host_and_share_it() {
    const SIZE: usize = 16 * MIB;
    let (server, folder) = (Nginx::start(""), tempfile::tempdir().unwrap());
    let hub = Hub::start(folder.path(), None).await;
    settled(&hub).await;
    let store = folder.path().join("store");
    let began = Instant::now();
    let mut running = Vec::new();
    for seed in 0..3_u8 {
        let (name, content) = (format!("{seed}.mp4"), bytes(u64::from(seed), SIZE));
        server.put(&name, &content);
        let order = order(seed, &server.url(&name));
        running.push((hub.download(&order, &store), order.task, content));
    }
    let (mut most, mut before, mut at_once) = (0, 0, HashSet::new());
    let mut open: HashSet<usize> = (0..running.len()).collect();
    while !open.is_empty() {
        // The kernel's table is no picture of one moment: one that closes and one that opens may both be in it. Two looks agree.
        let now = connections(server.port());
        most = most.max(now.min(before));
        before = now;
        open.retain(|&number| !ended(&mut running[number].0));
        let tasks = hub.tasks().await;
        let moving = |state: &TaskState| matches!(state, TaskState::Running(progress) if progress.done > 0);
        at_once.insert(tasks.values().filter(|record| moving(&record.state)).count());
        assert!(began.elapsed() < Duration::from_secs(120), "they do not end: {open:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed().as_secs_f64();
    for (_, task, content) in &running {
        is_there(&hub, task, content, &store).await;
    }
    assert!((1..=4).contains(&most), "{most} connections at once, 4 are allowed to all together");
    // Nothing is taken ahead of its time but the first batch of each lane.
    let least = (3 * SIZE - 4 * 512 * 1024) as f64 / RATE as f64;
    assert!(took >= least, "{took:.2} s for what takes {least:.2} s at the limit");
    assert!(at_once.contains(&3), "one waited for the others to end: {at_once:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_goes_away_and_comes_back_stops_no_download() {
    const SIZE: usize = 24 * MIB;
    let (server, folder) = (Nginx::start(""), tempfile::tempdir().unwrap());
    let hub = Hub::start(folder.path(), None).await;
    settled(&hub).await;
    let (content, store) = (bytes(5, SIZE), folder.path().join("store"));
    server.put("a.mp4", &content);
    let order = order(5, &server.url("a.mp4"));
    let mut child = hub.download(&order, &store);
    let limit = Instant::now() + Duration::from_secs(60);
    let begun = |state: &TaskState| matches!(state, TaskState::Running(progress) if progress.done > 0);
    while !hub.tasks().await.get(&order.task).is_some_and(|record| begun(&record.state)) {
        assert!(Instant::now() < limit, "it does not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let address = hub.address;
    hub.stop().await;
    // All bytes come without the tracker: the blob is there before the result can be told.
    let blobs = store.join("blobs");
    while !std::fs::read_dir(&blobs).is_ok_and(|mut entries| entries.next().is_some()) {
        assert!(Instant::now() < limit, "it does not go on without the tracker");
        assert!(!ended(&mut child), "it ended though nobody took its result");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let hub = Hub::start(folder.path(), Some(address)).await;
    while !ended(&mut child) {
        assert!(Instant::now() < limit + Duration::from_secs(60), "its result is not taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    is_there(&hub, &order.task, &content, &store).await;
    hub.stop().await;
}
