//! One price for all: the kernel, the whole problem, and one pass of memory bandwidth over the same arrays.

use std::time::Duration;

use serde_json::{Value, json};
use videocloud_scheduler::solver::{Certificate, Curves, Problem, Quantum, Seat, Supply, one_price};
use videocloud_scheduler::units::BytesPerSecond;

use crate::instances::{demands, swarms};
use crate::measure::{Times, human, rounds};

/// Upload per leecher that the pool can give, bytes per second.
const EACH: f64 = 30e3;

/// Sums four arrays and writes a fifth as fast as memory allows: what any answer must at least do.
fn pass(arrays: &[Vec<f64>; 4], out: &mut [f64]) -> f64 {
    let mut sum = [0.0; 8];
    let [a, b, c, d] = arrays;
    let chunks = a.chunks_exact(8).zip(b.chunks_exact(8)).zip(c.chunks_exact(8)).zip(d.chunks_exact(8));
    for ((((a, b), c), d), out) in chunks.zip(out.chunks_exact_mut(8)) {
        for lane in 0..8 {
            out[lane] = (a[lane] + b[lane]) + (c[lane] + d[lane]);
            sum[lane] += out[lane];
        }
    }
    sum.iter().sum()
}

pub fn run() -> Value {
    println!(
        "{:<10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>11} {:>7} {:>9}",
        "one price", "cold", "(median)", "warm", "Problem", "passes", "memory pass", "ratio", "gap"
    );
    let mut rows = Vec::new();
    for count in [1_457, 1_000_000] {
        let leechers = 30.0 * count as f64;
        let capacity = leechers * EACH;
        let demands = demands(&swarms(count, leechers, 1));
        let curves = Curves::new(demands.iter().copied(), capacity, Quantum::for_capacity(capacity));
        let mut rates = vec![0.0; count];
        let price = one_price(&curves, capacity, None, &mut rates);
        let budget = Duration::from_secs(2);
        let cold = rounds(budget, || one_price(&curves, capacity, None, &mut rates));
        let warm = rounds(budget, || one_price(&curves, capacity, Some(price.nu + 0.01), &mut rates));
        let supply = Supply::pool(BytesPerSecond::clamped(capacity));
        let problem = Problem::new(demands, &vec![Seat::ANY; count], supply).unwrap();
        let whole = rounds(budget, || problem.solve(None));
        let gap = Certificate::of(&problem, &problem.solve(None)).relative;
        let arrays: [Vec<f64>; 4] = std::array::from_fn(|k| (0..count).map(|i| (i * (k + 1)) as f64).collect());
        let memory = rounds(budget, || pass(&arrays, &mut rates));
        let (show, ratio) = (|t: Times| human(t.best), cold.best / memory.best);
        println!(
            "{count:<10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>11} {ratio:>7.1} {gap:>9.1e}",
            show(cold),
            human(cold.median),
            show(warm),
            show(whole),
            price.passes,
            show(memory),
        );
        rows.push(json!({
            "swarms": count, "cold_seconds": cold.best, "cold_median_seconds": cold.median, "warm_seconds": warm.best,
            "warm_median_seconds": warm.median, "problem_seconds": whole.best, "passes": price.passes,
            "memory_pass_seconds": memory.best, "ratio_to_memory_pass": ratio, "duality_gap": gap,
        }));
    }
    rows.into()
}
