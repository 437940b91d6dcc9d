//! The estimator: an update of a million swarms, the optimum's share it reaches in closed loop, the error of `a`.

use std::time::Duration;

use serde_json::{Value, json};
use videocloud_scheduler::estimator::trial::{Learner, Outcome, Trial, run as run_trial, workload};
use videocloud_scheduler::estimator::{Bank, Estimator, STATE_BYTES, View};

use crate::measure::{human, rounds};

/// Swarms of the timed update.
const MANY: u32 = 1_000_000;
/// Seeds of the closed loop.
const SEEDS: u64 = 5;
/// Swarms of the closed loop, as many as in the paper's trace.
const SWARMS: u32 = 1_457;

pub fn run() -> Value {
    let mut bank = Bank::with_swarms(View::Full, MANY);
    let mut interval = 0;
    let mut samples = workload(MANY, 0, 1);
    let update = rounds(Duration::from_secs(3), || {
        interval += 1;
        samples.iter_mut().for_each(|sample| sample.interval = interval);
        bank.update(&samples).fitted
    });
    let snapshot = rounds(Duration::from_secs(1), || bank.snapshot().len());
    let bytes = bank.snapshot();
    let restore = rounds(Duration::from_secs(1), || Bank::restore(&bytes).map(|bank| bank.len()));
    println!(
        "estimator, {MANY} swarms of {STATE_BYTES} bytes: update {} (median {}), snapshot {}, restore {}",
        human(update.best),
        human(update.median),
        human(snapshot.best),
        human(restore.best)
    );
    drop((bank, bytes, samples));
    json!({
        "swarms": MANY, "bytes_per_swarm": STATE_BYTES,
        "update_seconds": update.best, "update_median_seconds": update.median,
        "snapshot_seconds": snapshot.best, "restore_seconds": restore.best,
        "closed_loop": closed_loop(),
    })
}

/// Day 3 of a pool run on what the estimator believes, by learner, drift and exploration.
fn closed_loop() -> Vec<Value> {
    println!(
        "{:<28} {:>6} {:>8} {:>16} {:>10} {:>10}",
        "closed loop", "drift", "explore", "D/D_opt (least)", "rmse of a", "bias of a"
    );
    let mut rows = Vec::new();
    let learners = [
        ("recursive least squares", Learner::Recursive),
        ("bank", Learner::Bank),
        ("bank, without seeders", Learner::BankWithoutSeeders),
    ];
    for (name, learner) in learners {
        for drift in [0.0, 0.05, 0.1] {
            for explore in [false, true] {
                let trial = Trial { swarms: SWARMS, learner, drift, explore, ..Trial::default() };
                let outcomes: Vec<Outcome> =
                    (1..=SEEDS).map(|seed| run_trial(&Trial { seed, ..trial }).unwrap()).collect();
                let mean = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / SEEDS as f64;
                let (share, error, bias) = (mean(|o| o.share), mean(|o| o.a_error), mean(|o| o.a_bias));
                let least = outcomes.iter().map(|o| o.share).fold(1.0, f64::min);
                println!("{name:<28} {drift:>6} {explore:>8} {share:>8.4} ({least:.4}) {error:>9.4} {bias:>+10.4}");
                rows.push(json!({
                    "learner": name, "drift": drift, "explore": explore, "seeds": SEEDS, "swarms": SWARMS,
                    "share": share, "least_share": least, "a_rmse": error, "a_bias": bias,
                }));
            }
        }
    }
    rows
}
