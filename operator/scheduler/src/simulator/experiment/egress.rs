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

/// Egress of the target over the egress with which the other arm, by its capacities, serves the same share: interpolated between two of
/// them, resampled over seeds. None where the target serves fewer or more than any capacity that was played.
fn ratio(target: &FrontierPoint, others: &[&FrontierPoint], seeds: usize) -> Option<Interval> {
    let served = |picked: &[usize]| target.mean(picked, |v| v.served);
    let curve = |picked: &[usize]| -> Vec<(f64, f64)> {
        others.iter().map(|p| (p.mean(picked, |v| v.served), p.mean(picked, |v| v.egress))).collect()
    };
    let everyone: Vec<usize> = (0..seeds).collect();
    between(&curve(&everyone), served(&everyone))?;
    let spent = |picked: &[usize]| target.mean(picked, |v| v.egress);
    Some(Interval::of_statistic(seeds, |picked| spent(picked) / needed(&curve(picked), served(picked))))
}

/// The egress at which a curve of (served, egress) by ascending capacity reaches this share of viewers; none beyond its ends.
fn between(curve: &[(f64, f64)], served: f64) -> Option<f64> {
    curve.windows(2).find(|pair| pair[0].0 <= served && served <= pair[1].0).map(|pair| {
        let ((low, from), (high, to)) = (pair[0], pair[1]);
        from + (to - from) * (served - low) / (high - low).max(f64::MIN_POSITIVE)
    })
}

/// The same for a resample, which counts as the end of the curve it lies beyond: the smallest capacity where even that serves more, the
/// largest where no capacity serves so many.
fn needed(curve: &[(f64, f64)], served: f64) -> f64 {
    let beyond = || curve.iter().find(|point| point.0 > served).or(curve.last()).map_or(f64::NAN, |point| point.1);
    between(curve, served).unwrap_or_else(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: [(f64, f64); 3] = [(0.4, 0.2), (0.6, 0.35), (0.9, 0.5)];

    #[test]
    fn a_share_beyond_the_curve_counts_as_the_end_it_lies_beyond() {
        assert_eq!(between(&CURVE, 0.3), None);
        assert_eq!(between(&CURVE, 0.95), None);
        assert_eq!(needed(&CURVE, 0.3), 0.2);
        assert_eq!(needed(&CURVE, 0.95), 0.5);
        assert!((needed(&CURVE, 0.5) - 0.275).abs() < 1e-12);
        assert_eq!((needed(&CURVE, 0.4), needed(&CURVE, 0.9)), (0.2, 0.5));
        // Two capacities that serve alike.
        assert_eq!(needed(&[(0.5, 0.2), (0.5, 0.3)], 0.5), 0.2);
    }

    /// Two seeds that serve (0.5, 0.9) of the viewers for 0.2 of egress, against curves on which the first needs less than was played.
    #[test]
    fn no_resample_makes_a_saving_out_of_nothing() {
        let verdict = |served: f64, egress: f64| Verdict { served, egress, ..Verdict::default() };
        let point = |served: [f64; 2], egress: f64| {
            FrontierPoint::of(Arm::Proportional, egress, &served.map(|served| verdict(served, egress)))
        };
        let target = point([0.5, 0.9], 0.2);
        let (small, large) = (point([0.6, 0.6], 0.2), point([0.95, 0.95], 0.8));
        let found = ratio(&target, &[&small, &large], 2);
        // At best all resamples are the second seed, which needs 0.2 + 0.6 (0.3 / 0.35); at worst all are the first, which needs 0.2.
        let best = 0.2 / (0.2 + 0.6 * (0.3 / 0.35));
        let found = found.map(|interval| (interval.low, interval.high));
        assert!(found.is_some_and(|(low, high)| (low - best).abs() < 1e-12 && (high - 1.0).abs() < 1e-12), "{found:?}");
        assert_eq!(ratio(&point([0.1, 0.1], 0.2), &[&small, &large], 2), None);
    }
}
