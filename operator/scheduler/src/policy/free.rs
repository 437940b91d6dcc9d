//! Common practice: nobody schedules, and all connections compete for the pool.

use super::Policy;
use crate::model::Swarm;
use crate::solver::Demand;

/// One shared bucket, max-min fair per connection: each leecher gets the same upload, up to
/// what his swarm can take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FreeCompetitive;

impl Policy for FreeCompetitive {
    fn name(&self) -> &'static str {
        "free-competitive"
    }

    fn demand(&self, _index: usize, swarm: &Swarm, _min_marginal: f64) -> Demand {
        let (lo, hi) = swarm.range(0.0);
        Demand::proportional(swarm.audience.leechers.get(), lo, hi)
    }
}
