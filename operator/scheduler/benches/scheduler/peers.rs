//! The same 1,457 swarms for everybody: the paper's algorithm, its baselines, and an interior-point solver.

use std::time::Duration;

use serde_json::{Value, json};
use videocloud_scheduler::baseline::{Stop, conditional_gradient, hill_climbing, water_filling};
use videocloud_scheduler::solver::{Curves, Demand, Quantum, marginal_deviation, one_price};

use crate::conic::{self, Instance};
use crate::instances::{demands, swarms};
use crate::measure::{human, once, rounds};

const SWARMS: usize = 1_457;
/// The paper's prototype reached a deviation of marginal utilities of about 1 %.
const STOP: Stop = Stop { deviation: 0.01, iterations: 2_000_000 };

pub fn run() -> Value {
    let leechers = 30.0 * SWARMS as f64;
    let capacity = leechers * 30e3;
    // The paper's swarms have no limits.
    let demands: Vec<Demand> =
        demands(&swarms(SWARMS, leechers, 1)).into_iter().map(|d| Demand { lo: 0.0, hi: capacity, ..d }).collect();
    let curves = Curves::new(demands.iter().copied(), capacity, Quantum::for_capacity(capacity));
    let mut rates = vec![0.0; SWARMS];
    let ours = rounds(Duration::from_secs(1), || one_price(&curves, capacity, None, &mut rates)).best;
    let passes = one_price(&curves, capacity, None, &mut rates).passes as usize;
    let total = |rates: &[f64]| demands.iter().zip(rates).map(|(d, &s)| d.utility(s)).sum::<f64>();
    let best = total(&rates);

    println!(
        "\n{:<28} {:>10} {:>9} {:>10} {:>9} {:>10}",
        "solver, 1,457 swarms", "time", "times", "passes", "dev_mu", "below best"
    );
    let mut rows = Vec::new();
    let mut note = |name: &str, time: f64, passes: Option<usize>, rates: &[f64]| {
        let deviation = marginal_deviation(&demands, rates, &vec![0; SWARMS], 0.0);
        let below = 1.0 - total(rates) / best;
        let shown = passes.map_or_else(|| "-".to_owned(), |n| n.to_string());
        println!("{name:<28} {:>10} {:>9.0} {shown:>10} {deviation:>9.1e} {below:>10.1e}", human(time), time / ours);
        rows.push(json!({
            "solver": name, "seconds": time, "times_ours": time / ours, "passes": passes, "dev_mu": deviation,
            "below_best": below,
        }));
    };
    note("one price (this crate)", ours, Some(passes), &rates);
    let (time, run) = once(|| conditional_gradient(&demands, capacity, STOP));
    note("FA, to 1 % dev_mu", time, Some(run.passes), &run.rates);
    let (time, run) = once(|| water_filling(&demands, capacity, STOP));
    note("water-filling", time, Some(run.passes), &run.rates);
    let (time, run) = once(|| hill_climbing(&demands, capacity, STOP));
    note("hill-climbing", time, Some(run.passes), &run.rates);
    let instance = Instance::one(&demands, capacity);
    let time = rounds(Duration::from_secs(1), || conic::solve(&instance)).best;
    note("Clarabel, power cones", time, None, &conic::solve(&instance).expect("a solution"));
    rows.into()
}
