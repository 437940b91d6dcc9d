//! FA, the paper's algorithm: conditional gradient (Frank-Wolfe) with Armijo steps.

use super::{Run, SIGMA, Stop, TAU};
use crate::solver::Demand;

/// Starts from equal shares; each iteration goes towards "all of the capacity on the swarm with
/// the largest marginal utility", by the first step of 1, 1/2, 1/4, ... that keeps Armijo's promise.
#[must_use]
pub fn conditional_gradient(demands: &[Demand], capacity: f64, stop: Stop) -> Run {
    let m = demands.len();
    let mut rates = vec![capacity / m.max(1) as f64; m];
    let mut run = Run::default();
    let total = |rates: &[f64]| demands.iter().zip(rates).map(|(d, &s)| d.utility(s)).sum::<f64>();
    let mut here = total(&rates);
    while run.iterations < stop.iterations && m > 1 {
        let mut best = (0, f64::NEG_INFINITY);
        let mut promised = 0.0;
        for (i, (demand, &rate)) in demands.iter().zip(&rates).enumerate() {
            let mu = demand.slope_at(rate);
            promised -= mu * rate;
            if mu > best.1 {
                best = (i, mu);
            }
        }
        promised += best.1 * capacity;
        run.passes += 1;
        let mut step = 1.0;
        let moved = loop {
            let mut next: Vec<f64> = rates.iter().map(|rate| rate * (1.0 - step)).collect();
            next[best.0] += capacity * step;
            let there = total(&next);
            run.passes += 1;
            // An empty swarm has no finite marginal to go on from, so a full step is not taken.
            if step < 1.0 && there >= here + SIGMA * step * promised {
                (rates, here) = (next, there);
                break true;
            }
            step *= TAU;
            if step < 1e-14 {
                break false;
            }
        };
        run.iterations += 1;
        // The deviation is looked at only now and then, so that looking does not cost much.
        if !moved || run.iterations % 16 == 0 && run.note(demands, &rates, stop) {
            break;
        }
    }
    run.note(demands, &rates, stop);
    run.rates = rates;
    run
}
