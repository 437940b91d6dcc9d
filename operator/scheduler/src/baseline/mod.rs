//! The algorithms the paper proposes and compares with, with its constants, to measure against.
//!
//! They share one pool among swarms without floors and ceilings, as the paper does: FA (conditional
//! gradient with Armijo steps), water-filling and hill-climbing (Li et al., IEEE IWQoS 2012).

mod conditional_gradient;
mod transfer;

pub use conditional_gradient::conditional_gradient;
pub use transfer::{hill_climbing, water_filling};

use crate::solver::{Demand, marginal_deviation};

/// Armijo's step reduction of the paper.
pub const TAU: f64 = 0.5;
/// Armijo's required share of the promised ascent.
pub const SIGMA: f64 = 0.01;
/// What water-filling and hill-climbing move at once, as a part of the capacity.
pub const DELTA: f64 = 1e-5;

/// When a baseline may stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// `dev_mu` that is good enough; the paper's prototype reached 1 %.
    pub deviation: f64,
    /// Iterations after which it gives up.
    pub iterations: usize,
}

/// What a baseline did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// Upload by swarm, bytes per second.
    pub rates: Vec<f64>,
    /// Iterations.
    pub iterations: usize,
    /// Passes over all swarms, as far as an iteration needs them.
    pub passes: usize,
    /// `dev_mu` after so many iterations, at a few of them.
    pub trace: Vec<(usize, f64)>,
    /// Whether it reached the deviation that was asked for.
    pub reached: bool,
}

impl Run {
    /// Notes `dev_mu` and says whether it is time to stop.
    fn note(&mut self, demands: &[Demand], rates: &[f64], stop: Stop) -> bool {
        let blocks = vec![0; rates.len()];
        let deviation = marginal_deviation(demands, rates, &blocks, 0.0);
        self.trace.push((self.iterations, deviation));
        self.reached = deviation <= stop.deviation;
        self.reached
    }
}
