//! Clients that mean no good, or cannot help it: silent, slow, too many, too fast.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use videocloud_protocol::{content::Visibility, ids::ContentId, publication::Access};

use crate::support::{Site, client, clip, process::Process, until};

/// An uploader without a tracker, on a store with one public content of 32 MiB.
async fn alone(flags: &[&str]) -> (tempfile::TempDir, Process, ContentId) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("store").to_str().unwrap().parse().unwrap();
    let store = videocloud_store::Store::open(&url, folder.path()).unwrap();
    let file = folder.path().join("large");
    std::fs::write(&file, vec![7; 32 << 20]).unwrap();
    let content = clip::publish_content(&store, &file, Visibility::Public).await.id;
    let uploader = Process::start(folder.path(), None, flags);
    (folder, uploader, content)
}

async fn connect(uploader: &Process, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(uploader.http).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn silent_clients_by_the_thousand_are_cut_and_others_served() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let many = usize::try_from(hard.saturating_sub(500)).unwrap().min(10_000);
    let (_folder, uploader, content) = alone(&["--max-connections-per-address", "0"]).await;
    let mut held = Vec::new();
    for number in 0..many {
        // Some say nothing, some begin a head and never end it, some begin to speak HTTP/2.
        let first = ["", "GET / HTTP/1.1\r\nX-Slow: ", "PRI * HTTP/2.0\r\n"][number % 3];
        held.push(connect(&uploader, first).await);
    }
    let served = client().get(format!("http://{}/c/{content}", uploader.http)).header("range", "bytes=0-9");
    assert_eq!(served.send().await.unwrap().bytes().await.unwrap(), [7; 10][..]);
    until("silent clients are cut", || async {
        (uploader.metric("videocloud_uploader_cut_connections_total").await >= many as f64).then_some(())
    })
    .await;
    for mut stream in held {
        // Ended, in order or not.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_and_a_head_that_never_ends_are_cut() {
    let (_folder, uploader, content) = alone(&[]).await;
    let ask = format!("GET /c/{content} HTTP/1.1\r\nHost: edge\r\n");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    let mut stuck = socket.connect(uploader.http).await.unwrap();
    stuck.write_all(format!("{ask}\r\n").as_bytes()).await.unwrap();
    let mut slow = connect(&uploader, &format!("{ask}Range: bytes=0-0\r\n\r\n")).await;
    let mut answer = vec![0; 64];
    slow.read_exact(&mut answer).await.unwrap();
    slow.write_all(ask.as_bytes()).await.unwrap();
    // The second request's head never ends: the connection does.
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    until("the stuck reader is cut", || async {
        (uploader.metric("videocloud_uploader_connections").await < 1.0).then_some(())
    })
    .await;
    let mut received = Vec::new();
    let _ = stuck.read_to_end(&mut received).await;
    assert!(received.starts_with(b"HTTP/1.1 200 OK") && received.len() < 32 << 20, "{}", received.len());
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let (_folder, uploader, _) = alone(&["--max-connections-per-address", "3"]).await;
    let metrics_is_elsewhere = connect(&uploader, "").await;
    let others = [connect(&uploader, "").await, connect(&uploader, "").await];
    let mut refused = TcpStream::connect(uploader.http).await.unwrap();
    let mut answer = String::new();
    refused.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    drop((metrics_is_elsewhere, others));
    until("places come back", || async {
        let answer = client().get(format!("http://{}/x", uploader.http)).send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_together_get_no_more_than_the_capacity() {
    const RATE: u64 = 2_000_000;
    let (_folder, uploader, content) = alone(&["--capacity", &RATE.to_string()]).await;
    let begun = Instant::now();
    let fetch = |_| async {
        let ask = client().get(format!("http://{}/c/{content}", uploader.http)).header("range", "bytes=0-999999");
        ask.send().await.unwrap().bytes().await.unwrap().len() as u64
    };
    let total: u64 = futures::future::join_all((0..4).map(fetch)).await.iter().sum();
    assert_eq!(total, 4_000_000);
    // The burst is a twentieth of a second, and one piece as large may be on loan.
    let allowed = Duration::from_secs_f64((total - RATE / 10) as f64 / RATE as f64 / 1.02);
    assert!(begun.elapsed() >= allowed, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_sent_is_reported_and_a_table_comes_back() {
    let site = Site::open(Access::Public).await;
    until("a table is in force", || async {
        (site.uploader.metric("videocloud_uploader_table_generation").await > 0.0).then_some(())
    })
    .await;
    site.get("file", &[]).await.bytes().await.unwrap();
    until("the tracker counts what was sent", || async {
        let text = client().get(format!("{}/metrics", site.tracker.url())).send().await.unwrap().text().await.unwrap();
        let sent = text.lines().find_map(|line| line.strip_prefix("videocloud_tracker_uploaders_sent_bytes_total "));
        (sent.unwrap().parse::<f64>().unwrap() >= site.original().len() as f64).then_some(())
    })
    .await;
}
