//! Several clusters with masks, exactly.

use std::time::Duration;

use serde_json::{Value, json};
use videocloud_scheduler::solver::{Certificate, Costs, Placement, Problem, Supply, split};
use videocloud_scheduler::units::BytesPerSecond;

use crate::instances::{Draw, demands, seats, swarms};
use crate::measure::{human, rounds};

const CLUSTERS: usize = 16;

pub fn run() -> Value {
    println!(
        "\n{:<10} {:>8} {:>10} {:>7} {:>7} {:>10} {:>9}",
        "swarms", "clusters", "solve", "solves", "passes", "split", "gap"
    );
    let mut rows = Vec::new();
    for count in [100_000, 1_000_000] {
        let leechers = 30.0 * count as f64;
        let mut draw = Draw::new(3);
        let sizes: Vec<f64> = (0..CLUSTERS).map(|_| draw.normal().exp()).collect();
        let all = leechers * 30e3 / sizes.iter().sum::<f64>();
        let capacities = sizes.iter().map(|size| BytesPerSecond::clamped((size * all).floor())).collect();
        let supply = Supply::clusters(capacities, None).unwrap();
        let seats = seats(count, CLUSTERS, 2);
        let problem = Problem::new(demands(&swarms(count, leechers, 1)), &seats, supply.clone()).unwrap();
        let time = rounds(Duration::from_secs(3), || problem.solve(None));
        let solution = problem.solve(None);
        let gap = Certificate::of(&problem, &solution).relative;
        let places = vec![Placement::ANYWHERE; count];
        let divided = rounds(Duration::from_secs(2), || split(&solution, &seats, &places, &Costs::default(), &supply));
        println!(
            "{count:<10} {CLUSTERS:>8} {:>10} {:>7} {:>7.1} {:>10} {gap:>9.1e}",
            human(time.best),
            solution.solves,
            solution.passes,
            human(divided.best),
        );
        rows.push(json!({
            "swarms": count, "clusters": CLUSTERS, "seconds": time.best, "median_seconds": time.median, "solves": solution.solves, "passes": solution.passes,
            "split_seconds": divided.best, "duality_gap": gap,
        }));
    }
    rows.into()
}
