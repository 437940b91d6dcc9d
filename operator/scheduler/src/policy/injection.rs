//! What keeps viewers from starving first, then in proportion to what playing takes.

use super::Policy;
use crate::model::{DEFAULT_TARGET, Swarm};
use crate::solver::Demand;
use crate::units::BytesPerSecond;

/// Mean rate of a swarm at which its slower viewers are not hungry either, bytes per second: 30 kB/s for those a standard deviation
/// below the mean, were the logarithms of their rates spread by 0.5.
const BASIC: f64 = 50_000.0;

/// What a viewer of a swarm that needs nothing counts for, bytes per second.
const SPARE: f64 = 1.0;

/// A swarm starves where new pieces enter more slowly than one peer passes them on (`u - s u` is missing), or where its peers upload too
/// little for a basic rate. That is given first, and what remains in proportion to the need of the playback rate.
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
        let need = |rate: f64| swarm.need(BytesPerSecond::clamped(rate));
        let share = need(DEFAULT_TARGET).max(SPARE * leechers);
        Demand::proportional(share, lo.max(injection).max(need(BASIC)).min(hi), hi)
    }
}
