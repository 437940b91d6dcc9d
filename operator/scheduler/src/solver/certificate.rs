//! A proof that a solution is the best there is: the duality gap of its prices, and the paper's
//! own measure of the spread of marginal utilities.

use super::demand::Demand;
use super::problem::{Problem, Solution};

/// How far a solution can be from the optimum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Certificate {
    /// Utility of the solution.
    pub utility: f64,
    /// Upper bound on what any solution has more, in utility.
    pub gap: f64,
    /// The same, relative to the utility (or to the value of the capacity, where that is larger).
    pub relative: f64,
}

impl Certificate {
    /// Bounds the distance to the optimum by weak duality: at the block prices every swarm
    /// is offered as much as it wants.
    #[must_use]
    pub fn of(problem: &Problem, solution: &Solution) -> Self {
        let demands = effective(problem, solution);
        let prices: Vec<f64> = solution.blocks.iter().map(|b| b.nu.exp()).collect();
        let mut spent = vec![0.0; prices.len()];
        let (mut utility, mut size, mut gap) = (0.0, 0.0, 0.0);
        for (swarm, demand) in demands.iter().enumerate() {
            let block = solution.block_of[swarm] as usize;
            let rate = solution.rates[swarm];
            spent[block] += rate;
            // Where the floors take everything there is nothing to choose.
            if demand.lo >= demand.hi || solution.blocks[block].nu == f64::INFINITY {
                continue;
            }
            let price = prices[block];
            let wanted = demand.at(price.ln());
            // Less than a grain was rounded to nothing.
            let here = demand.utility(rate.max(solution.quantum.get()));
            gap += ((demand.utility(wanted) - here) - price * (wanted - rate)).max(0.0);
            utility += here;
            size += here.abs();
        }
        for ((block, price), spent) in solution.blocks.iter().zip(&prices).zip(&spent) {
            if price.is_finite() {
                gap += price * (block.capacity - spent).max(0.0);
                size = size.max(price * block.capacity);
            }
        }
        let relative = if gap > 0.0 { gap / size } else { 0.0 };
        Self { utility, gap, relative }
    }
}

/// The demands with the floors that were possible.
fn effective(problem: &Problem, solution: &Solution) -> Vec<Demand> {
    let most = problem.supply.total().get();
    let quantum = solution.quantum;
    let limit = |d: &Demand| {
        let hi = quantum.down(d.hi.min(most));
        Demand { hi, lo: d.lo.min(hi), ..*d }
    };
    let mut demands: Vec<Demand> = problem.demands.iter().map(limit).collect();
    for floor in &solution.scaled {
        demands[floor.swarm].lo = floor.given;
    }
    demands
}

/// `dev_mu = sum |mu_i - mean mu| / (m mean mu)` over the swarms that are not clipped, within each
/// price, with `mu` the weighted marginal utility; 0 when every swarm is clipped. Rates up to
/// `dust` are too close to nothing for their marginal to say anything.
#[must_use]
pub fn marginal_deviation(demands: &[Demand], rates: &[f64], block_of: &[u32], dust: f64) -> f64 {
    let blocks = block_of.iter().max().map_or(0, |&b| b as usize + 1);
    let mut sums = vec![(0.0, 0.0); blocks];
    let mut free = Vec::new();
    // Limits are rounded to the grain; 2^-20 of the dust is several grains.
    let grains = dust * 2.0_f64.powi(-20);
    for ((demand, &rate), &block) in demands.iter().zip(rates).zip(block_of) {
        let (lo, hi) = (demand.lo * (1.0 + 1e-9) + grains, demand.hi * (1.0 - 1e-9) - grains);
        if rate > lo && rate < hi && rate > dust {
            let mu = demand.slope_at(rate);
            let sum = &mut sums[block as usize];
            *sum = (sum.0 + mu, sum.1 + 1.0);
            free.push((mu, block as usize));
        }
    }
    let apart = |&(mu, block): &(f64, usize)| (mu * sums[block].1 / sums[block].0 - 1.0).abs();
    if free.is_empty() { 0.0 } else { free.iter().map(apart).sum::<f64>() / free.len() as f64 }
}
