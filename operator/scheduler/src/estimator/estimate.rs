//! What an estimator knows of a swarm.

use super::bank::Summary;
use super::sample::{Sample, SwarmId};
use crate::model::{PowerLaw, RegimeLaw, Swarm, SwarmLaw};
use crate::units::BytesPerSecond;

/// Learns laws from samples, an interval at a time.
pub trait Estimator {
    /// Takes in the samples of an interval, at most one per swarm.
    fn update(&mut self, samples: &[Sample]) -> Summary;

    /// The law to plan the next interval with; `None` for an unknown swarm.
    fn law(&self, swarm: SwarmId) -> Option<SwarmLaw>;
}

/// What is known of one swarm, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The law that foresees it best.
    pub law: SwarmLaw,
    /// The power law, whether or not it is the one.
    pub power: PowerLaw,
    /// The three-regime law, whether or not it is the one.
    pub regimes: RegimeLaw,
    /// Standard error of `a`.
    pub a_error: f64,
    /// Standard error of `b`.
    pub b_error: f64,
    /// Standard error of the level, for a viewer who gets 20 kB/s from the cloud.
    pub level_error: f64,
    /// Log likelihood, discounted, by which the three-regime law is ahead of the power law.
    pub evidence: f64,
    /// `d_max`, where viewers were seen to have enough.
    pub viewer_limit: Option<BytesPerSecond>,
    /// Samples it rests on, counted up to 15.
    pub samples: u32,
}

impl Estimate {
    /// Gives the swarm its law and the most one viewer takes.
    pub fn apply(&self, swarm: &mut Swarm) {
        swarm.law = self.law;
        if self.viewer_limit.is_some() {
            swarm.viewer_limit = self.viewer_limit;
        }
    }
}
