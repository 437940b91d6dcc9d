//! The ways to share a pool, behind one trait: the operator and the simulator call nothing else.
//!
//! A policy only says what each swarm asks for at a price; clusters, masks, tenants, floors and
//! the exactness of the sum are the same for all of them, which keeps comparisons fair.

mod free;
mod injection;
mod optimal;
mod proportional;
mod ration;

pub use free::FreeCompetitive;
pub use injection::InjectionFirst;
pub use optimal::Optimal;
pub use proportional::Proportional;
pub use ration::Ration;

use crate::model::Swarm;
use crate::solver::{Certificate, Demand, Problem, Seat, Solution, SolveError, Supply, marginal_deviation};
use crate::units::BytesPerSecond;

/// Swarms and what there is to share among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The swarms.
    pub swarms: Vec<Swarm>,
    /// Clusters, the cap on their sum, tenants' shares.
    pub supply: Supply,
    /// Capacity is a cap, not an order to spend: stop where a byte uploaded brings less than
    /// this many bytes downloaded.
    pub min_marginal: f64,
}

impl Pool {
    /// Where each swarm may be served.
    #[must_use]
    pub fn seats(&self) -> Vec<Seat> {
        self.swarms.iter().map(|s| Seat { clusters: s.clusters, tenant: s.tenant }).collect()
    }
}

/// A way to share a pool.
pub trait Policy: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// What the swarm with this index asks for at a price.
    fn demand(&self, index: usize, swarm: &Swarm, min_marginal: f64) -> Demand;

    /// Shares the pool. `warm` is [`Solution::warm`] of the interval before.
    ///
    /// # Errors
    /// [`SolveError`] when a swarm cannot be served or names an unknown tenant.
    fn allocate(&self, pool: &Pool, warm: Option<f64>) -> Result<Allocation, SolveError> {
        let demand = |(index, swarm): (usize, &Swarm)| self.demand(index, swarm, pool.min_marginal);
        let demands: Vec<Demand> = pool.swarms.iter().enumerate().map(demand).collect();
        let problem = Problem::new(demands, &pool.seats(), pool.supply.clone())?;
        let solution = problem.solve(warm);
        Ok(Allocation { problem, solution })
    }
}

/// A shared pool, with the problem it answers.
#[derive(Debug, Clone)]
pub struct Allocation {
    problem: Problem,
    /// Rates, prices and scaled floors.
    pub solution: Solution,
}

impl Allocation {
    /// Upload of a swarm.
    #[must_use]
    pub fn rate(&self, swarm: usize) -> BytesPerSecond {
        BytesPerSecond::clamped(self.solution.rates[swarm])
    }

    /// Proof of optimality for the policy's own demands.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        Certificate::of(&self.problem, &self.solution)
    }

    /// `dev_mu` of these rates under the demands of the policy, rates of under 2^24 grains left out.
    #[must_use]
    pub fn marginal_deviation(&self) -> f64 {
        let Solution { rates, block_of, quantum, .. } = &self.solution;
        marginal_deviation(self.problem.demands(), rates, block_of, quantum.get() * 16_777_216.0)
    }

    /// The demands that were shared among.
    #[must_use]
    pub fn demands(&self) -> &[Demand] {
        self.problem.demands()
    }
}
