//! Ration (Wu, Li, Zhao, IEEE/ACM ToN 19(5), 2011): the optimum of a model without seeders.

use super::Policy;
use crate::model::{Objective, PowerLaw, Swarm, SwarmLaw};
use crate::solver::Demand;
use crate::units::Audience;

/// Maximises the total download under its own fit `D/l = (S/l)^a f`, which knows `S` and `l` only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ration {
    /// Its fit by swarm, as power laws with `b = 0`; a swarm without one keeps its present law
    /// with `b` set to 0 and its level at the present audience.
    pub laws: Vec<Option<PowerLaw>>,
}

impl Ration {
    fn law(&self, index: usize, swarm: &Swarm) -> SwarmLaw {
        match (self.laws.get(index).copied().flatten(), swarm.law) {
            (Some(law), _) => SwarmLaw::Power(law),
            (None, SwarmLaw::Power(law)) => {
                let Audience { seeders, leechers } = swarm.audience;
                let crowd = leechers.get().max(1.0).ln() - seeders.get().ln_1p();
                let blind = PowerLaw::from_log(law.a(), 0.0, law.ln_f() - law.b() * crowd);
                SwarmLaw::Power(blind.unwrap_or(law))
            }
            (None, law) => law,
        }
    }
}

impl Policy for Ration {
    fn name(&self) -> &'static str {
        "ration"
    }

    fn demand(&self, index: usize, swarm: &Swarm, min_marginal: f64) -> Demand {
        let seen = Swarm { law: self.law(index, swarm), ..swarm.clone() };
        Demand::of(&seen, Objective::Multiplier, min_marginal)
    }
}
