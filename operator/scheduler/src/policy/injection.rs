//! Seeds for seedless swarms first, then in proportion to the peers.

use super::Policy;
use crate::model::{DEFAULT_TARGET, Swarm};
use crate::solver::Demand;

/// A swarm starves below one peer's upload rate `u` of new pieces: give `u - s u` first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InjectionFirst;

impl Policy for InjectionFirst {
    fn name(&self) -> &'static str {
        "injection-first"
    }

    fn demand(&self, _index: usize, swarm: &Swarm, _min_marginal: f64) -> Demand {
        let (lo, hi) = swarm.range(0.0);
        let (seeders, leechers) = (swarm.audience.seeders.get(), swarm.audience.leechers.get());
        let upload = swarm.peer_upload.map_or(DEFAULT_TARGET, |rate| rate.get());
        let injection = (upload * (1.0 - seeders)).max(0.0);
        Demand::proportional(leechers + seeders, lo.max(injection).min(hi), hi)
    }
}
