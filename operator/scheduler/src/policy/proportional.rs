//! Upload in proportion to the peers of a swarm (proportional-allocate of Li et al., IWQoS 2012).

use super::Policy;
use crate::model::Swarm;
use crate::solver::Demand;

/// `S_i` proportional to the peers online, seeders and leechers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proportional;

impl Policy for Proportional {
    fn name(&self) -> &'static str {
        "proportional"
    }

    fn demand(&self, _index: usize, swarm: &Swarm, _min_marginal: f64) -> Demand {
        let (lo, hi) = swarm.range(0.0);
        let peers = swarm.audience.leechers.get() + swarm.audience.seeders.get();
        Demand::proportional(peers, lo, hi)
    }
}
