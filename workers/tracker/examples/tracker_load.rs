//! Puts a running tracker under the load of a busy hub and prints what it takes: results per second, and how long after a
//! report a follower of the updates sees it while many tasks send progress every two seconds.
//!
//! `videocloud-tracker --http 127.0.0.1:7080 --key-file KEY &` then
//! `cargo run --release -p videocloud-tracker --example tracker_load -- http://127.0.0.1:7080 KEY`

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use videocloud_protocol::{
    ids::{RunId, TaskId},
    task::{ChunkOutcome, Outcome, Progress, TaskResult},
    token::{Grant, TokenKey},
    tracker::Client,
};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Reporting at the same time.
const WRITERS: u32 = 16;
/// Results in all.
const RESULTS: u32 = 4_000;
/// Tasks that send progress meanwhile.
const RUNNING: u32 = 1_000;

fn result(index: u32) -> TaskResult {
    TaskResult::Succeeded(Outcome::Chunk(ChunkOutcome { index, frames: 1500, cpu_millis: 60_000 }))
}

async fn write(
    worker: &Client,
    run: RunId,
    pause: Duration,
    sent: &Mutex<HashMap<TaskId, Instant>>,
) -> Result<(), Failed> {
    let writers = (0..WRITERS).map(|writer| {
        let worker = worker.clone();
        async move {
            for index in (writer..RESULTS).step_by(WRITERS as usize) {
                let task = TaskId::chunk(&run, index);
                sent.lock().unwrap_or_else(PoisonError::into_inner).insert(task.clone(), Instant::now());
                worker.report(&task, &result(index)).await?;
                tokio::time::sleep(pause).await;
            }
            Ok::<(), Failed>(())
        }
    });
    futures::future::try_join_all(writers).await.map(drop)
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tracker_load URL KEY_FILE".into());
    };
    // A second installation would fail; this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (url, key) = (url.parse()?, TokenKey::read(Path::new(&key))?);
    let token = |grant: Grant| key.mint(&grant, Duration::from_secs(u64::from(u32::MAX)));
    let operator = Client::new(url, token(Grant::Operator))?;
    let run = |seed: u64| RunId::derive([seed.to_be_bytes().as_slice(), &rand::random::<[u8; 8]>()]);
    let worker = |run: &RunId| operator.with_token(token(Grant::Task(TaskId::chunks(run))));

    let alone = run(1);
    let begun = Instant::now();
    write(&worker(&alone), alone, Duration::ZERO, &Mutex::default()).await?;
    println!("results, {WRITERS} writers: {:.0} per second", f64::from(RESULTS) / begun.elapsed().as_secs_f64());

    let running = run(2);
    let reporter = worker(&running);
    let progress = tokio::spawn(async move {
        for round in 0_u64.. {
            let begun = Instant::now();
            let reports = (0..RUNNING).map(|index| {
                let (reporter, task) = (reporter.clone(), TaskId::chunk(&running, index));
                let progress = Progress { done: round, stage: "Encoding".into(), ..Progress::default() };
                async move {
                    // Spread over the two seconds, as a thousand pods would.
                    tokio::time::sleep(Duration::from_millis(u64::from(index) * 2)).await;
                    reporter.progress(&task, &progress).await
                }
            });
            futures::future::try_join_all(reports).await?;
            tokio::time::sleep(Duration::from_secs(2).saturating_sub(begun.elapsed())).await;
        }
        Ok::<(), Failed>(())
    });

    let busy = run(3);
    let sent = Arc::new(Mutex::new(HashMap::new()));
    let writing = tokio::spawn({
        let (worker, sent) = (worker(&busy), Arc::clone(&sent));
        async move { write(&worker, busy, Duration::from_millis(50), &sent).await }
    });
    let mut after = operator.updates(0, Duration::ZERO).await?.revision;
    let (mut delays, mut polls, begun) = (Vec::new(), 0_u32, Instant::now());
    while delays.len() < RESULTS as usize {
        let updates = operator.updates(after, Duration::from_secs(30)).await?;
        (after, polls) = (updates.revision, polls + 1);
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        delays.extend(updates.tasks.iter().filter_map(|record| sent.get(&record.task)).map(Instant::elapsed));
    }
    writing.await??;
    progress.abort();
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    println!(
        "updates, {RUNNING} running tasks, {:.0} results per second: {polls} polls, p50 {:?}, p99 {:?}, worst {:?}",
        f64::from(RESULTS) / begun.elapsed().as_secs_f64(),
        at(50),
        at(99),
        at(100),
    );
    Ok(())
}
