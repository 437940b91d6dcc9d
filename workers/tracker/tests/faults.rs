//! Faults of the world around the tracker: killed, disk full, database locked or restarted. Whatever was acknowledged is there
//! afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::{collections::BTreeSet, time::Duration};

use nix::sys::signal::Signal;
use sqlx::{Connection, Executor};
use support::{Running, client, content, downloaded, postgres::Postgres, process::Process, sqlite, token};
use tempfile::TempDir;
use videocloud_protocol::{
    content::Visibility,
    ids::{ClaimKey, TaskId},
    token::Grant,
    tracker::Client,
};

fn task(round: u8, writer: u8, index: u32) -> TaskId {
    let mut bytes = [round; 16];
    bytes[1] = writer;
    bytes[2..6].copy_from_slice(&index.to_be_bytes());
    TaskId::download(&ClaimKey::from_bytes(bytes))
}

fn key_file(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("key");
    std::fs::write(&path, support::KEY).unwrap();
    path
}

/// Reports results until one is refused; answers those that were acknowledged.
async fn report_until_refused(address: std::net::SocketAddr, round: u8, writer: u8, most: u32) -> Vec<TaskId> {
    let worker = client(address, token(&Grant::Operator));
    let mut acknowledged = Vec::new();
    for index in 0..most {
        let task = task(round, writer, index);
        let result = downloaded(content(writer, Visibility::Public), Vec::new());
        let own = worker.with_token(token(&Grant::Task(task.clone())));
        if own.report(&task, &result).await.is_err() {
            break;
        }
        acknowledged.push(task);
    }
    acknowledged
}

async fn all_tasks(operator: &Client) -> BTreeSet<TaskId> {
    let (mut after, mut tasks) = (0, BTreeSet::new());
    loop {
        let updates = operator.updates(after, Duration::ZERO).await.unwrap();
        if updates.tasks.is_empty() {
            return tasks;
        }
        after = updates.revision;
        tasks.extend(updates.tasks.into_iter().map(|record| record.task));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_amid_results_it_keeps_every_acknowledged_one() {
    let folder = TempDir::new().unwrap();
    let (key, database) = (key_file(&folder), sqlite(folder.path()).to_string());
    let mut expected = BTreeSet::new();
    let mut revision = 0;
    for round in 0..5 {
        let process = Process::start(&database, &key, "");
        let address = process.address;
        let writers: Vec<_> =
            (0..4).map(|writer| tokio::spawn(report_until_refused(address, round, writer, u32::MAX))).collect();
        // Killed at whatever point the writers are once a hundred and some results are in.
        let operator = client(address, token(&Grant::Operator));
        let mut seen = 0;
        while seen < 100 + usize::from(round) * 7 {
            let updates = operator.updates(revision, Duration::from_secs(10)).await.unwrap();
            assert!(updates.revision >= revision);
            revision = updates.revision;
            seen += updates.tasks.len();
        }
        process.kill();
        for writer in writers {
            expected.extend(writer.await.unwrap());
        }
    }
    let process = Process::start(&database, &key, "");
    let stored = all_tasks(&client(process.address, token(&Grant::Operator))).await;
    let lost: Vec<_> = expected.difference(&stored).collect();
    assert!(expected.len() >= 500 && lost.is_empty(), "{} acknowledged, lost {lost:?}", expected.len());
    assert!(process.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let (key, database) = (key_file(&folder), sqlite(folder.path()).to_string());
    // A file may not grow past 1 MiB; ignored, the signal becomes an error of the write.
    let process = Process::start(&database, &key, "trap '' XFSZ; ulimit -f 2048");
    let acknowledged = report_until_refused(process.address, 0, 1, 100_000).await;
    assert!((10..100_000).contains(&acknowledged.len()), "{}", acknowledged.len());
    let refused = task(1, 1, 1);
    let worker = client(process.address, token(&Grant::Task(refused.clone())));
    let result = downloaded(content(1, Visibility::Public), Vec::new());
    let error = worker.report(&refused, &result).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // What is there can still be read.
    let operator = client(process.address, token(&Grant::Operator));
    assert_eq!(all_tasks(&operator).await.len(), acknowledged.len());
    process.kill();
    let process = Process::start(&database, &key, "");
    let stored = all_tasks(&client(process.address, token(&Grant::Operator))).await;
    assert!(acknowledged.iter().all(|task| stored.contains(task)));
    client(process.address, token(&Grant::Task(refused.clone()))).report(&refused, &result).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_refuses_writes_for_a_while_and_answers_reads() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let url = format!("sqlite://{}", folder.path().join("tracker.db").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let task = task(0, 0, 0);
    let (worker, result) = (tracker.worker(&task), downloaded(content(1, Visibility::Public), Vec::new()));
    let error = worker.report(&task, &result).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("503"), "{error}");
    assert!(tracker.operator().updates(0, Duration::ZERO).await.unwrap().tasks.is_empty());
    other.execute("ROLLBACK").await.unwrap();
    worker.report(&task, &result).await.unwrap();
    assert_eq!(tracker.operator().updates(0, Duration::ZERO).await.unwrap().tasks.len(), 1);
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_postgres_makes_it_unready_and_then_it_recovers() {
    let server = Postgres::start();
    let tracker = Running::start(&server.location()).await;
    let ready = || async {
        let url = format!("http://{}/readyz", tracker.address);
        support::http().get(url).send().await.unwrap().status().as_u16()
    };
    let (first, second) = (task(0, 0, 0), task(0, 0, 1));
    let result = downloaded(content(1, Visibility::Public), Vec::new());
    tracker.worker(&first).report(&first, &result).await.unwrap();
    assert_eq!(ready().await, 200);
    server.down();
    assert_eq!(ready().await, 503);
    let error = tracker.worker(&second).report(&second, &result).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.up();
    // What a worker does: again and again until it is taken.
    tracker.worker(&second).report_until_taken(&second, &result).await.unwrap();
    assert_eq!(ready().await, 200);
    assert_eq!(all_tasks(&tracker.operator()).await, BTreeSet::from([first, second]));
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_tracker_stands_by_and_takes_over() {
    let (server, folder) = (Postgres::start(), TempDir::new().unwrap());
    let (database, key) = (server.url(), key_file(&folder));
    let first = Process::start(&database, &key, "");
    let second = Process::start(&database, &key, "");
    let get = |what: &str| {
        let request = support::http().get(format!("http://{}/{what}", second.address));
        async move { request.send().await.ok().map(|answer| answer.status().as_u16()) }
    };
    assert_eq!(get("healthz").await, Some(200));
    assert_eq!((get("readyz").await, get("v1/openapi.json").await), (Some(503), Some(503)));
    let (first_task, second_task) = (task(0, 0, 0), task(0, 0, 1));
    let result = downloaded(content(1, Visibility::Public), Vec::new());
    let worker = |address, task: &TaskId| client(address, token(&Grant::Task(task.clone())));
    worker(first.address, &first_task).report(&first_task, &result).await.unwrap();
    first.kill();
    ready(second.address).await;
    worker(second.address, &second_task).report(&second_task, &result).await.unwrap();
    let operator = client(second.address, token(&Grant::Operator));
    assert_eq!(all_tasks(&operator).await, BTreeSet::from([first_task, second_task]));
    assert!(second.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_lost_its_database_to_another_ends() {
    let (server, folder) = (Postgres::start(), TempDir::new().unwrap());
    let (database, key) = (server.url(), key_file(&folder));
    let mut first = Process::start(&database, &key, "");
    let second = Process::start(&database, &key, "");
    // It does not notice that its connections broke until it is awake, and then the other has the lock.
    first.signal(Signal::SIGSTOP);
    server.down();
    server.up();
    ready(second.address).await;
    first.signal(Signal::SIGCONT);
    let ended = tokio::task::spawn_blocking(move || first.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(1));
    ready(second.address).await;
    assert!(second.terminate().success());
}

/// Returns once the tracker there is ready.
async fn ready(address: std::net::SocketAddr) {
    let asked = async {
        let url = format!("http://{address}/readyz");
        while !support::http().get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.expect("it is ready in time");
}
