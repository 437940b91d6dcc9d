//! The estimator: an update of a million swarms, and how close to the optimum a pool runs on what it learned.

use std::time::Duration;

use serde_json::{Value, json};
use videocloud_scheduler::estimator::trial::{Learner, Trial, run as trial, workload};
use videocloud_scheduler::estimator::{Bank, Estimator, View};

use crate::measure::{human, rounds};

const SWARMS: u32 = 1_000_000;
const SEEDS: u64 = 3;

pub fn run() -> Value {
    let mut bank = Bank::with_swarms(View::Full, SWARMS);
    let mut intervals = (0..).map(|interval| workload(SWARMS, interval, 1));
    let samples: Vec<_> = intervals.by_ref().take(6).collect();
    let mut next = samples.into_iter();
    // A new interval in each round: a sample that is not newer would be turned away at once.
    let update = rounds(Duration::ZERO, || next.next().map(|batch| bank.update(&batch)));
    println!("\nestimator, an update of a million swarms: {} (median {})", human(update.best), human(update.median));

    println!("\n{:<34} {:>8} {:>10} {:>10} {:>10}", "3 days in closed loop", "D/D_opt", "rmse a", "bias a", "D/S");
    let mut rows = Vec::new();
    for (name, drift, explore, learner) in [
        ("bank", 0.0, false, Learner::Bank),
        ("bank, exploring", 0.0, true, Learner::Bank),
        ("bank, 5 % drift", 0.05, false, Learner::Bank),
        ("bank, 5 % drift, exploring", 0.05, true, Learner::Bank),
        ("recursive least squares, 5 % drift", 0.05, false, Learner::Recursive),
    ] {
        let outcomes: Vec<_> = (1..=SEEDS)
            .map(|seed| trial(&Trial { drift, explore, learner, seed, ..Trial::default() }).unwrap())
            .collect();
        let mean = |value: fn(&videocloud_scheduler::estimator::trial::Outcome) -> f64| {
            outcomes.iter().map(value).sum::<f64>() / SEEDS as f64
        };
        let (share, error, bias, multiplier) =
            (mean(|o| o.share), mean(|o| o.a_error), mean(|o| o.a_bias), mean(|o| o.multiplier));
        println!("{name:<34} {share:>8.4} {error:>10.3} {bias:>10.3} {multiplier:>10.3}");
        rows.push(json!({
            "learner": name, "drift": drift, "explore": explore, "share_of_optimum": share, "a_rmse": error, "a_bias": bias,
        }));
    }
    json!({ "update_million_seconds": update.best, "update_million_median_seconds": update.median, "closed_loop": rows })
}
