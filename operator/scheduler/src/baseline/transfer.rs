//! Water-filling and hill-climbing: moving a constant small amount at a time.

use super::{DELTA, Run, Stop};
use crate::solver::Demand;

/// How often, in iterations, the deviation is looked at.
const LOOK: usize = 256;

/// Moves [`DELTA`] of the capacity from the lowest to the highest marginal utility, from equal
/// shares, until that no longer helps.
#[must_use]
pub fn water_filling(demands: &[Demand], capacity: f64, stop: Stop) -> Run {
    let m = demands.len();
    let mut rates = vec![capacity / m.max(1) as f64; m];
    let mut mu: Vec<f64> = demands.iter().zip(&rates).map(|(d, &s)| d.slope_at(s)).collect();
    let mut run = Run::default();
    let delta = DELTA * capacity;
    while run.iterations < stop.iterations && m > 1 {
        let (mut low, mut high) = (None, 0);
        for i in 0..m {
            if rates[i] > delta && low.is_none_or(|low| mu[i] < mu[low]) {
                low = Some(i);
            }
            if mu[i] > mu[high] {
                high = i;
            }
        }
        run.passes += 1;
        let Some(low) = low.filter(|&low| low != high) else {
            break;
        };
        let before = demands[low].utility(rates[low]) + demands[high].utility(rates[high]);
        let after = demands[low].utility(rates[low] - delta) + demands[high].utility(rates[high] + delta);
        if after <= before {
            break;
        }
        rates[low] -= delta;
        rates[high] += delta;
        mu[low] = demands[low].slope_at(rates[low]);
        mu[high] = demands[high].slope_at(rates[high]);
        run.iterations += 1;
        if run.iterations % LOOK == 0 && run.note(demands, &rates, stop) {
            break;
        }
    }
    run.note(demands, &rates, stop);
    run.rates = rates;
    run
}

/// Pours [`DELTA`] of the capacity at a time from a full reservoir into the highest marginal utility.
#[must_use]
pub fn hill_climbing(demands: &[Demand], capacity: f64, stop: Stop) -> Run {
    let m = demands.len();
    let mut rates = vec![0.0; m];
    let mut mu: Vec<f64> = demands.iter().map(|d| d.slope_at(0.0)).collect();
    let mut run = Run::default();
    let delta = DELTA * capacity;
    let mut reservoir = capacity;
    while reservoir > 0.0 && run.iterations < stop.iterations && m > 0 {
        let high = (1..m).fold(0, |high, i| if mu[i] > mu[high] { i } else { high });
        let poured = delta.min(reservoir);
        rates[high] += poured;
        reservoir -= poured;
        mu[high] = demands[high].slope_at(rates[high]);
        run.iterations += 1;
        run.passes += 1;
    }
    run.note(demands, &rates, stop);
    run.rates = rates;
    run
}
