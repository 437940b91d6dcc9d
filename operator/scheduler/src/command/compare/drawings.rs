//! What `compare` draws.

use videocloud_scheduler::policy::Pool;

use crate::command::error::CommandError;
use crate::command::plot::{Axis, Chart, Line};
use crate::command::pool::marginal;

/// Swarms are drawn by at most so many points.
const POINTS: usize = 400;

/// Marginal utilities of the swarms, each policy's sorted: level is optimal for the multiplier.
pub(super) fn marginals(folder: &str, pool: &Pool, policies: &[(&str, &[f64])]) -> Result<(), CommandError> {
    let shown = ["free-competitive", "proportional", "multiplier", "delay"];
    let mut lines = Vec::new();
    for (name, rates) in policies.iter().filter(|(name, _)| shown.contains(name)) {
        let given = pool.swarms.iter().zip(*rates).filter(|(swarm, rate)| **rate > 0.0 && !swarm.audience.is_solo());
        let mut mu: Vec<f64> = given.map(|(swarm, &rate)| marginal(swarm, rate)).filter(|m| *m > 0.0).collect();
        mu.sort_by(f64::total_cmp);
        let step = (mu.len() / POINTS).max(1);
        let last = mu.len().saturating_sub(1).max(1) as f64;
        let points = mu.iter().enumerate().filter(|(i, _)| i % step == 0 || *i as f64 == last);
        let points = points.map(|(i, &m)| (100.0 * i as f64 / last, m)).collect();
        lines.push(Line { name: (*name).to_owned(), points, marks: false });
    }
    let x = Axis { label: "swarms, sorted by marginal utility (%)", log: false, from_zero: true };
    let y = Axis { label: "bytes downloaded per byte more", log: true, from_zero: false };
    Chart { title: "Marginal utility before scheduling and after", x, y, lines }.save(folder, "marginals.svg")
}

/// How solvers approach equal marginal utilities.
pub(super) fn convergence(folder: &str, lines: Vec<Line>) -> Result<(), CommandError> {
    let x = Axis { label: "passes over all swarms", log: true, from_zero: false };
    let y = Axis { label: "dev_mu", log: true, from_zero: false };
    Chart { title: "Convergence: spread of marginal utilities", x, y, lines }.save(folder, "convergence.svg")
}
