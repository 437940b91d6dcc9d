//! Arms side by side on the piece-level truth, paired by seed.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::simulator::pieces::{Pieces, Verdict, play};
use crate::simulator::statistics::Interval;
use crate::simulator::{Arm, Progress, SimulateError};

/// One of the numbers of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Measure {
    /// Mean over viewers of their mean rate, bytes per second.
    MeanRate,
    /// The rate nine in ten viewers exceed, bytes per second.
    P10Rate,
    /// Mean completion time, seconds.
    MeanTime,
    /// Median completion time, seconds.
    P50Time,
    /// 90 % quantile of completion time, seconds.
    P90Time,
    /// 99 % quantile of completion time, seconds.
    P99Time,
    /// Share of viewers under 30 kB/s.
    Hungry,
    /// Share of viewers at 95 kB/s or more.
    Served,
    /// Share of bytes that came in time.
    InTime,
    /// Share of viewers who did not finish.
    Unfinished,
    /// Egress as a share of demand.
    Egress,
    /// `D/S`.
    Multiplier,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::MeanRate,
        Self::P10Rate,
        Self::MeanTime,
        Self::P50Time,
        Self::P90Time,
        Self::P99Time,
        Self::Hungry,
        Self::Served,
        Self::InTime,
        Self::Unfinished,
        Self::Egress,
        Self::Multiplier,
    ];

    /// Its value.
    #[must_use]
    pub const fn of(self, verdict: &Verdict) -> f64 {
        match self {
            Self::MeanRate => verdict.mean_rate,
            Self::P10Rate => verdict.p10_rate,
            Self::MeanTime => verdict.mean_time,
            Self::P50Time => verdict.p50_time,
            Self::P90Time => verdict.p90_time,
            Self::P99Time => verdict.p99_time,
            Self::Hungry => verdict.hungry,
            Self::Served => verdict.served,
            Self::InTime => verdict.in_time,
            Self::Unfinished => verdict.unfinished,
            Self::Egress => verdict.egress,
            Self::Multiplier => verdict.multiplier,
        }
    }
}

/// One arm's verdicts, one per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmVerdicts {
    /// The arm.
    pub arm: Arm,
    /// By seed, from the first.
    pub verdicts: Vec<Verdict>,
}

/// A world played with several arms and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The world.
    pub world: Pieces,
    /// The first seed; the others follow.
    pub first_seed: u64,
    /// The arms in the order they were asked for.
    pub arms: Vec<ArmVerdicts>,
}

/// Plays `seeds` worlds with each arm, on as many threads as there are.
///
/// # Errors
/// [`SimulateError`] for a field out of range.
pub fn compare(
    world: &Pieces,
    arms: &[Arm],
    first_seed: u64,
    seeds: u64,
    progress: &Progress<'_>,
) -> Result<Comparison, SimulateError> {
    world.validate()?;
    let jobs: Vec<(Arm, u64)> =
        arms.iter().flat_map(|&arm| (first_seed..first_seed + seeds).map(move |seed| (arm, seed))).collect();
    progress.expect(jobs.len());
    let verdicts: Vec<Verdict> = jobs
        .par_iter()
        .map(|&(arm, seed)| {
            let verdict = play(world, arm, seed)?.verdict();
            progress.step();
            Ok(verdict)
        })
        .collect::<Result<_, SimulateError>>()?;
    let mut rest = verdicts.into_iter();
    let take = |&arm: &Arm| ArmVerdicts { arm, verdicts: rest.by_ref().take(seeds as usize).collect() };
    Ok(Comparison { world: *world, first_seed, arms: arms.iter().map(take).collect() })
}

impl Comparison {
    /// The verdicts of an arm; none if it did not play.
    #[must_use]
    pub fn verdicts(&self, arm: Arm) -> &[Verdict] {
        self.arms.iter().find(|found| found.arm == arm).map_or(&[], |found| &found.verdicts)
    }

    /// The values of an arm by seed.
    #[must_use]
    pub fn values(&self, arm: Arm, measure: Measure) -> Vec<f64> {
        self.verdicts(arm).iter().map(|verdict| measure.of(verdict)).collect()
    }

    /// The mean over seeds.
    #[must_use]
    pub fn mean(&self, arm: Arm, measure: Measure) -> Interval {
        Interval::of(&self.values(arm, measure))
    }

    /// `arm` minus `other`, paired by seed.
    #[must_use]
    pub fn difference(&self, arm: Arm, other: Arm, measure: Measure) -> Interval {
        let pairs = self.values(arm, measure).into_iter().zip(self.values(other, measure));
        Interval::of(&pairs.map(|(mine, theirs)| mine - theirs).collect::<Vec<_>>())
    }

    /// `ln(arm / other)`, paired by seed: a gain in proportion.
    #[must_use]
    pub fn log_ratio(&self, arm: Arm, other: Arm, measure: Measure) -> Interval {
        let pairs = self.values(arm, measure).into_iter().zip(self.values(other, measure));
        Interval::of(&pairs.map(|(mine, theirs)| (mine / theirs).ln()).collect::<Vec<_>>())
    }
}
