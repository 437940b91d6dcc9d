//! What a target saves: the egress the other policies need to serve as many viewers as it does.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::simulator::pieces::{Pieces, Verdict, play};
use crate::simulator::statistics::Interval;
use crate::simulator::{Arm, Progress, SimulateError};

/// One arm at one capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontierPoint {
    /// The arm.
    pub arm: Arm,
    /// Capacity as a share of demand.
    pub share: f64,
    /// Egress as a share of demand.
    pub egress: Interval,
    /// Share of viewers at 95 kB/s or more.
    pub served: Interval,
    /// By seed.
    pub verdicts: Vec<Verdict>,
}

/// What one capacity of a target saves against the other arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// The target at this capacity.
    pub target: FrontierPoint,
    /// Its egress over that of free-competitive serving the same share; none where no capacity
    /// that was tried serves so many.
    pub against_free: Option<Interval>,
    /// The same for proportional.
    pub against_proportional: Option<Interval>,
    /// The same for the smallest total delay.
    pub against_delay: Option<Interval>,
}

/// The answer for one world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EgressAnswer {
    /// The world.
    pub world: Pieces,
    /// The other arms over the capacities.
    pub frontier: Vec<FrontierPoint>,
    /// The target at each of its capacities.
    pub savings: Vec<Saving>,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EgressQuestion {
    /// The world; its share is replaced by those below.
    pub world: Pieces,
    /// The target.
    pub target: Arm,
    /// Capacities of the target, shares of demand.
    pub target_shares: Vec<f64>,
    /// Capacities of the other arms, ascending.
    pub shares: Vec<f64>,
    /// Seeds per point.
    pub seeds: u64,
}

const OTHERS: [Arm; 3] = [Arm::FreeCompetitive, Arm::Proportional, Arm::Delay];

impl EgressQuestion {
    /// Plays all points.
    ///
    /// # Errors
    /// [`SimulateError`] for a field out of range.
    pub fn answer(&self, progress: &Progress<'_>) -> Result<EgressAnswer, SimulateError> {
        self.world.validate()?;
        let mut points: Vec<(Arm, f64)> = self.target_shares.iter().map(|&share| (self.target, share)).collect();
        points.extend(OTHERS.iter().flat_map(|&arm| self.shares.iter().map(move |&share| (arm, share))));
        progress.expect(points.len() * self.seeds as usize);
        let jobs: Vec<(Arm, f64, u64)> =
            points.iter().flat_map(|&(arm, share)| (1..=self.seeds).map(move |seed| (arm, share, seed))).collect();
        let verdicts: Vec<Verdict> = jobs
            .par_iter()
            .map(|&(arm, share, seed)| {
                let verdict = play(&Pieces { share, ..self.world }, arm, seed)?.verdict();
                progress.step();
                Ok(verdict)
            })
            .collect::<Result<_, SimulateError>>()?;
        let chunks = verdicts.chunks(self.seeds.max(1) as usize);
        let mut found: Vec<FrontierPoint> = points
            .iter()
            .zip(chunks)
            .map(|(&(arm, share), verdicts)| FrontierPoint::of(arm, share, verdicts))
            .collect();
        let frontier = found.split_off(self.target_shares.len());
        let savings = found.into_iter().map(|target| self.saving(target, &frontier)).collect();
        Ok(EgressAnswer { world: self.world, frontier, savings })
    }

    fn saving(&self, target: FrontierPoint, frontier: &[FrontierPoint]) -> Saving {
        let against = |arm: Arm| {
            let others: Vec<&FrontierPoint> = frontier.iter().filter(|point| point.arm == arm).collect();
            ratio(&target, &others, self.seeds as usize)
        };
        Saving {
            against_free: against(Arm::FreeCompetitive),
            against_proportional: against(Arm::Proportional),
            against_delay: against(Arm::Delay),
            target,
        }
    }
}

impl FrontierPoint {
    fn of(arm: Arm, share: f64, verdicts: &[Verdict]) -> Self {
        let all = |value: fn(&Verdict) -> f64| Interval::of(&verdicts.iter().map(value).collect::<Vec<_>>());
        Self { arm, share, egress: all(|v| v.egress), served: all(|v| v.served), verdicts: verdicts.to_vec() }
    }

    fn mean(&self, picked: &[usize], value: fn(&Verdict) -> f64) -> f64 {
        picked.iter().map(|&seed| value(&self.verdicts[seed])).sum::<f64>() / picked.len() as f64
    }
}

/// Egress of the target over the egress with which the other arm, by its capacities, serves
/// the same share: interpolated between two of them, resampled over seeds.
fn ratio(target: &FrontierPoint, others: &[&FrontierPoint], seeds: usize) -> Option<Interval> {
    let needed = |picked: &[usize]| {
        let served = target.mean(picked, |v| v.served);
        let curve: Vec<(f64, f64)> =
            others.iter().map(|p| (p.mean(picked, |v| v.served), p.mean(picked, |v| v.egress))).collect();
        curve.windows(2).find(|pair| pair[0].0 <= served && served <= pair[1].0).map(|pair| {
            let ((low, from), (high, to)) = (pair[0], pair[1]);
            from + (to - from) * (served - low) / (high - low).max(f64::MIN_POSITIVE)
        })
    };
    let everyone: Vec<usize> = (0..seeds).collect();
    needed(&everyone)?;
    let spent = |picked: &[usize]| target.mean(picked, |v| v.egress);
    // A resample that leaves the curve counts as the end it left it at.
    let last = |picked: &[usize]| others.last().map_or(f64::NAN, |p| p.mean(picked, |v| v.egress));
    Some(Interval::of_statistic(seeds, |picked| spent(picked) / needed(picked).unwrap_or_else(|| last(picked))))
}
