//! What the control loop of a large pool costs: `cargo bench -p videocloud-operator --bench pool`. Prints a table and writes
//! `target/bench/pool.json`.
//!
//! One pool of 100,000 swarms whose audience, upload and download are drawn as in docs/scheduler.md. Measured is the CPU time of this
//! process (user and system, all threads) for each step of one interval, the third of a run, after two that warm it up: samples as
//! JSON from the tracker to the controller, learning, solving with objective Target, where needs fit and where they do not, the
//! table as JSON to the tracker, and its division among eight uploaders. No network and no database.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use videocloud_operator::{controllers::pool::Loop, index::Wanted};
use videocloud_protocol::{
    ids::{ContentId, InfoHash},
    tracker::{IntervalSamples, PoolTable, Sample, SamplesAnswer, UploaderReport},
};
use videocloud_scheduler::estimator::trial::workload;

const SWARMS: u32 = 100_000;
const UPLOADERS: usize = 8;
const INTERVAL: u64 = 300;

/// CPU seconds this process has used, to the clock tick.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime, in ticks of 10 ms on every Linux Rust runs on.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn id(n: u32) -> ContentId {
    ContentId::derive([n.to_be_bytes().as_slice()])
}

fn interval(number: u64) -> IntervalSamples {
    let bytes = |rate: f64| (rate * INTERVAL as f64) as u64;
    let milli = |peers: f64| (peers * 1000.0) as u64;
    let sample = |drawn: videocloud_scheduler::estimator::Sample| {
        let (s, d) = (drawn.upload.get(), drawn.download.get().max(drawn.upload.get()));
        Sample {
            content: Some(id(drawn.swarm.0)),
            info_hash: InfoHash::derive([drawn.swarm.0.to_be_bytes().as_slice()]),
            allocated: Some(s as u64),
            bittorrent_bytes: bytes(s),
            http_bytes: if drawn.swarm.0.is_multiple_of(10) { bytes(40_000.0) } else { 0 },
            downloaded_bytes: bytes(d),
            announced_bytes: bytes(d),
            uploaded_bytes: bytes(d - s),
            left_bytes: bytes(d),
            have_bytes: bytes(d),
            leechers_milli: milli(drawn.audience.leechers.get()),
            progressing_milli: milli(drawn.audience.leechers.get()),
            seeders_milli: milli(drawn.audience.seeders.get()),
            connected_milli: milli(drawn.audience.leechers.get() / 2.0),
            reports_expected: drawn.reports.expected,
            reports_received: drawn.reports.received,
            generation: number,
            flags: Vec::new(),
        }
    };
    let samples = workload(SWARMS, number, 7).into_iter().map(sample).collect();
    IntervalSamples { interval: number, began: 0, millis: INTERVAL * 1000, samples }
}

fn pool(capacity: u64) -> Loop {
    let spec = serde_json::from_value(json!({ "capacityBytesPerSecond": capacity })).unwrap();
    let one = |namespace: &str| Wanted {
        namespace: namespace.into(),
        weight: 10,
        floor: 0,
        clusters: Box::default(),
        direct: false,
        playback: 0,
    };
    let wanted: BTreeMap<_, _> = (0..SWARMS).map(|n| (id(n), vec![one(&format!("team-{}", n % 100))])).collect();
    Loop::new(spec, wanted)
}

/// Runs a step and notes its CPU time.
fn step<T>(steps: &mut Vec<(&'static str, f64, usize)>, name: &'static str, work: impl FnOnce() -> (T, usize)) -> T {
    let before = cpu();
    let (value, bytes) = work();
    steps.push((name, cpu() - before, bytes));
    value
}

fn turn(pool: &mut Loop, number: u64) -> (Vec<(&'static str, f64, usize)>, PoolTable, f64) {
    let answer = SamplesAnswer { epoch: "bench".into(), intervals: vec![interval(number)] };
    let mut steps = Vec::new();
    let text = step(&mut steps, "samples to JSON (tracker)", || {
        let text = serde_json::to_vec(&answer).unwrap();
        let length = text.len();
        (text, length)
    });
    drop(answer);
    let answer: SamplesAnswer = step(&mut steps, "samples read", || (serde_json::from_slice(&text).unwrap(), 0));
    step(&mut steps, "learned", || (pool.learn(&answer.intervals[0]), 0));
    let (table, needed, available) = step(&mut steps, "solved", || (pool.solve(), 0));
    let table = PoolTable { generation: number, ttl_seconds: 900, ..table.unwrap() };
    let text = step(&mut steps, "table to JSON", || {
        let text = serde_json::to_vec(&table).unwrap();
        let length = text.len();
        (text, length)
    });
    let read: PoolTable = step(&mut steps, "table read (tracker)", || (serde_json::from_slice(&text).unwrap(), 0));
    step(&mut steps, "divided among uploaders (tracker)", || (divide(read), 0));
    let models = step(&mut steps, "models written", || {
        let models = pool.models().unwrap();
        let length = models.len();
        (models, length)
    });
    drop(models);
    (steps, table, needed / available)
}

fn divide(table: PoolTable) -> usize {
    let now = Instant::now();
    let mut fleet = videocloud_tracker::uploaders::Fleet::new(None, 1, videocloud_tracker::pools::Tables::default());
    let report = UploaderReport { capacity: 1_250_000_000, ..UploaderReport::default() };
    for n in 0..UPLOADERS {
        fleet.report(&format!("edge-{n}"), &report, now).unwrap();
    }
    fleet.tables_mut().put("p", table.into(), now, Duration::from_secs(900)).unwrap();
    // The first report divides the table; each is told its part.
    (0..UPLOADERS).map(|n| fleet.report(&format!("edge-{n}"), &report, now).unwrap().table.rates.len()).sum()
}

fn main() {
    let mut out = Vec::new();
    for (name, capacity) in [("needs fit", 1_000_000_000_000_u64), ("needs do not fit", 20_000_000_000)] {
        let mut pool = pool(capacity);
        turn(&mut pool, 1);
        turn(&mut pool, 2);
        let (steps, table, need) = turn(&mut pool, 3);
        let sum: f64 = steps.iter().map(|(_, seconds, _)| seconds).sum();
        println!("{SWARMS} swarms, {name} (need {need:.2} of what there is), {} rows", table.rates.len());
        for (step, seconds, bytes) in &steps {
            println!(
                "  {step:<36} {seconds:>6.2} s CPU {:>9}",
                if *bytes > 0 { format!("{:.1} MB", *bytes as f64 / 1e6) } else { String::new() }
            );
        }
        println!("  {:<36} {sum:>6.2} s CPU", "all");
        let steps: Vec<_> =
            steps.iter().map(|(step, cpu, bytes)| json!({ "step": step, "cpu": cpu, "bytes": bytes })).collect();
        out.push(json!({ "case": name, "swarms": SWARMS, "need": need, "steps": steps, "cpu": sum }));
    }
    let folder = std::env::var("CARGO_TARGET_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Into::into)
        .join("bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pool.json"), serde_json::to_string_pretty(&out).unwrap()).unwrap();
}
