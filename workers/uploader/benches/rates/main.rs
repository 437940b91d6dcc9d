//! How true rates are: 100 swarms from 10 kB/s to 10 MB/s, a peer in each, in windows of one second:
//! `cargo bench -p videocloud-uploader --bench rates`. Prints a table and writes `target/bench/rates.json`.
//!
//! Windows are cut by the clock at the peers, which count the bytes of the peer wire as they read them. Then the table is turned round,
//! and it is measured when the new rates hold and what came above them.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod peers;

use std::{fs, path::Path, time::Duration};

use peers::{Peers, store, uploader};

const SWARMS: usize = 100;
/// Windows of a second: those left out while connections open and fill, those measured, those after the turn.
const WARM: usize = 3;
const MEASURED: usize = 20;
const TURNED: usize = 8;

/// Rate of a swarm, bytes per second.
fn rate(swarm: usize) -> u64 {
    (1e4 * 1000_f64.powf(swarm as f64 / (SWARMS - 1) as f64)) as u64
}

fn table(path: &Path, rates: &[u64], ids: &[String]) {
    let rows: String = ids.iter().zip(rates).map(|(id, rate)| format!("{id},{rate},0\n")).collect();
    let new = path.with_extension("new");
    fs::write(&new, format!("content,bittorrent,http\n{rows}")).unwrap();
    fs::rename(new, path).unwrap();
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// Deviations of windows from a rate, as parts of it.
fn deviations(windows: &[Vec<u64>], rates: &[u64], wanted: impl Fn(u64) -> bool) -> Vec<f64> {
    let of = |(window, rate): (&Vec<u64>, &u64)| {
        let rate = *rate as f64;
        window.iter().map(|bytes| (*bytes as f64 / rate - 1.0).abs()).collect::<Vec<_>>()
    };
    let mut all: Vec<f64> = windows.iter().zip(rates).filter(|(_, rate)| wanted(**rate)).flat_map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let contents = store(folder.path(), SWARMS);
    let ids: Vec<String> = contents.iter().map(|content| content.id.clone()).collect();
    let rates: Vec<u64> = (0..SWARMS).map(rate).collect();
    let turned: Vec<u64> = rates.iter().rev().copied().collect();
    let path = folder.path().join("table.csv");
    table(&path, &rates, &ids);
    // Packets have headers, which the capacity pays for and the rates do not.
    let sum: u64 = rates.iter().sum();
    let seeder = uploader(folder.path(), &path, sum + sum / 10);
    let peers = Peers::start(seeder.address, &contents);
    peers.wait(Duration::from_secs((WARM + MEASURED) as u64));
    table(&path, &turned, &ids);
    let at = peers.now();
    peers.wait(Duration::from_secs(TURNED as u64));
    let all = peers.stop();
    // Windows of whole seconds before the turn, and from a second after it.
    let before: Vec<Vec<u64>> = all.iter().map(|swarm| swarm.windows(WARM as f64, MEASURED - 1)).collect();
    let after: Vec<Vec<u64>> = all.iter().map(|swarm| swarm.windows(at + 1.0, TURNED - 2)).collect();
    let mut report = serde_json::Map::new();
    for (name, windows, rates) in [("steady", &before, &rates), ("turned", &after, &turned)] {
        for (class, most, least) in [("100 kB/s and more", 0.02, 100_000), ("below 100 kB/s", 0.05, 0)] {
            let found = deviations(windows, rates, |rate| (rate >= 100_000) == (least > 0));
            let within = found.iter().filter(|deviation| **deviation <= most).count() as f64 / found.len() as f64;
            let [median, high, worst] = [0.5, 0.95, 1.0].map(|part| quantile(&found, part));
            println!(
                "{name:>8} {class:>18}: {:.1} % of {} windows within {:.0} %; median {:.2} %, p95 {:.2} %, worst {:.2} %",
                100.0 * within,
                found.len(),
                100.0 * most,
                100.0 * median,
                100.0 * high,
                100.0 * worst
            );
            report.insert(format!("{name}, {class}"), serde_json::json!({
                "windows": found.len(), "bound": most, "within": within, "median": median, "p95": high, "worst": worst,
            }));
        }
        let sums = (0..windows[0].len()).map(|at| windows.iter().map(|window| window[at]).sum::<u64>());
        let sum: u64 = rates.iter().sum();
        let top = sums.max().unwrap() as f64 / sum as f64;
        println!("{name:>8}: the largest sum of a window is {top:.4} of the sum of rates");
        report.insert(format!("{name}, largest sum"), top.into());
    }
    // When a rate that fell or rose tenfold at least is held: the first tenth of a second from which on a second has the new rate.
    let held = |(swarm, (old, new)): (usize, (&u64, &u64))| {
        let large = (*old / *new).max(*new / *old) >= 10;
        large.then(|| all[swarm].holds_after(at, *new as f64))
    };
    let mut times: Vec<f64> = rates.iter().zip(&turned).enumerate().filter_map(held).collect();
    times.sort_by(f64::total_cmp);
    let burst = all.iter().zip(&turned).map(|(swarm, rate)| swarm.largest(at + 1.0, *rate as f64)).fold(0.0, f64::max);
    let (median, worst) = (quantile(&times, 0.5), quantile(&times, 1.0));
    println!("a new table holds after {median:.2} s (median of {} swarms), {worst:.2} s at most", times.len());
    println!("the largest second after a turn is {burst:.3} of its rate");
    report.insert(
        "turn".into(),
        serde_json::json!({
            "swarms": times.len(), "secondsMedian": median, "secondsWorst": worst, "largestSecond": burst,
        }),
    );
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("rates.json"), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
}
