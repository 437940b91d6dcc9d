//! The scheduler proper: the optimum of an objective under the swarms' laws.

use super::Policy;
use crate::model::{Objective, Swarm};
use crate::solver::Demand;

/// Maximises the objective; FIFA of the paper when that is [`Objective::Multiplier`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Optimal {
    /// What is maximised.
    pub objective: Objective,
}

impl Policy for Optimal {
    fn name(&self) -> &'static str {
        match self.objective {
            Objective::Multiplier => "multiplier",
            Objective::Balanced => "balanced",
            Objective::Delay => "delay",
            Objective::Target(_) => "target",
        }
    }

    fn demand(&self, _index: usize, swarm: &Swarm, min_marginal: f64) -> Demand {
        Demand::of(swarm, self.objective, min_marginal)
    }
}
