//! The policies that are compared, by name.

use serde::{Deserialize, Serialize};

use crate::model::{DEFAULT_TARGET, Objective, PowerLaw};
use crate::policy::{FreeCompetitive, InjectionFirst, Optimal, Policy, Proportional, Ration};
use crate::units::BytesPerSecond;

/// One arm of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Arm {
    /// One shared bucket, max-min fair per connection.
    FreeCompetitive,
    /// In proportion to the peers.
    Proportional,
    /// The optimum of a model without seeders.
    Ration,
    /// What keeps viewers from starving first, then in proportion to what playing takes.
    InjectionFirst,
    /// The largest total download: FIFA of the paper.
    Multiplier,
    /// Proportional fairness.
    Balanced,
    /// The smallest total delay.
    Delay,
    /// The least upload that keeps viewers at this rate, bytes per second.
    Target {
        /// Bytes per second each.
        rate: f64,
    },
}

impl Arm {
    /// The target at its default rate.
    pub const TARGET: Self = Self::Target { rate: DEFAULT_TARGET };

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FreeCompetitive => "free-competitive",
            Self::Proportional => "proportional",
            Self::Ration => "ration",
            Self::InjectionFirst => "injection-first",
            Self::Multiplier => "multiplier",
            Self::Balanced => "balanced",
            Self::Delay => "delay",
            Self::Target { .. } => "target",
        }
    }

    /// What the arm maximises, for those that maximise.
    #[must_use]
    pub fn objective(self) -> Option<Objective> {
        match self {
            Self::Multiplier => Some(Objective::Multiplier),
            Self::Balanced => Some(Objective::Balanced),
            Self::Delay => Some(Objective::Delay),
            Self::Target { rate } => Some(Objective::Target(BytesPerSecond::clamped(rate))),
            _ => None,
        }
    }

    /// The policy; `blind` are Ration's own fits.
    #[must_use]
    pub fn policy(self, blind: Vec<Option<PowerLaw>>) -> Box<dyn Policy> {
        match self {
            Self::FreeCompetitive => Box::new(FreeCompetitive),
            Self::Proportional => Box::new(Proportional),
            Self::Ration => Box::new(Ration { laws: blind }),
            Self::InjectionFirst => Box::new(InjectionFirst),
            Self::Multiplier | Self::Balanced | Self::Delay | Self::Target { .. } => {
                Box::new(Optimal { objective: self.objective().unwrap_or_default() })
            }
        }
    }
}
