//! What is kept of one swarm, and the Kalman filters in it: four at once, one a lane.
//!
//! Each filter has the states `a`, `b`, slow level `g`, fast level `h` of `ln f = g + h`, and reverts to
//! the population: `theta <- mu + Phi (theta - mu) + w`, `Q = Sigma - Phi Sigma Phi`. That is forgetting,
//! shrinkage and a bounded covariance in one. The four differ in how fast `h` forgets.

use super::line::Point;
use super::population::Population;
use super::regimes::Regimes;
use crate::model::PowerLaw;

/// Filters in the bank.
pub(crate) const MEMBERS: usize = 4;
/// States of a filter: `a`, `b`, `g`, `h`.
pub(crate) const STATES: usize = 4;
/// Entries of a symmetric matrix over the states.
pub(crate) const PAIRS: usize = 10;
/// Place of an entry in the upper triangle.
pub(crate) const PAIR: [[usize; STATES]; STATES] = [[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]];
/// Huber's limit: a residual beyond so many standard deviations counts as this many.
const HUBER: f32 = 3.0;
/// Least variance of a state, far below what any sample can resolve.
const LEAST: f32 = 1e-8;

/// No number of a sound filter is anywhere near this.
pub(crate) const MOST: f32 = 1e6;
/// Log likelihood of a sample at least: one freak must not choose the filter for all.
pub(crate) const UNLIKELY: f32 = -100.0;

/// One number per filter of the bank.
pub(crate) type Lanes = [f32; MEMBERS];

/// Bytes kept per swarm.
pub const STATE_BYTES: usize = 256;
const _: () = assert!(size_of::<State>() == STATE_BYTES);

/// All that is kept of one swarm.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct State {
    /// The filters' states: by state, then by filter.
    pub(crate) theta: [Lanes; STATES],
    /// The filters' covariances: upper triangle, then by filter.
    pub(crate) spread: [Lanes; PAIRS],
    /// The other law.
    pub(crate) regimes: Regimes,
    /// `ln d_max`, or infinity while nobody was seen to have enough.
    pub(crate) demand: f32,
    /// Discounted log likelihood of the three-regime law above that of the power law.
    pub(crate) evidence: f32,
    /// What happened: see [`Marks`].
    pub(crate) marks: Marks,
}

/// In one word: interval of the last sample (22 bits), on which side of it each filter's forecast was (4),
/// which law is held (1), whether the swarm was given back (1), samples so far (4, saturating).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks(pub(crate) u32);

impl Marks {
    const INTERVALS: u32 = 1 << 22;
    const SIDES: u32 = 15 << 22;
    const REGIMES: u32 = 1 << 26;
    const GONE: u32 = 1 << 27;
    const ONE: u32 = 1 << 28;
    /// The mark of a place that holds no swarm.
    pub(crate) const NOBODY: Self = Self(Self::GONE);

    /// Whether the swarm was given back.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 & Self::GONE != 0
    }

    /// Intervals since the last sample; 1 for the first ever, `None` when this one is not newer.
    pub(crate) fn gap(self, interval: u64) -> Option<u32> {
        if self.samples() == 0 {
            return Some(1);
        }
        let gap = (interval as u32).wrapping_sub(self.0) & (Self::INTERVALS - 1);
        (gap > 0 && gap < Self::INTERVALS / 2).then_some(gap)
    }

    /// Samples taken in so far, as far as they are counted.
    pub(crate) const fn samples(self) -> u32 {
        self.0 >> 28
    }

    /// Whether the three-regime law is held to be the better one.
    pub(crate) const fn prefers_regimes(self) -> bool {
        self.0 & Self::REGIMES != 0
    }

    /// One more sample, of this interval.
    pub(crate) const fn take(&mut self, interval: u64) {
        let rest = self.0 & !(Self::INTERVALS - 1);
        let counted = if self.samples() < 15 { rest + Self::ONE } else { rest };
        self.0 = counted | interval as u32 & (Self::INTERVALS - 1);
    }

    /// Notes the side of every filter's residual; 1 where it was the side of the one before, else -1, and 0
    /// where there is none before.
    pub(crate) fn turn(&mut self, residual: &Lanes) -> Lanes {
        let mut sides = 0;
        for m in 0..MEMBERS {
            sides |= u32::from(residual[m] > 0.0) << (22 + m);
        }
        let same = !(self.0 ^ sides);
        let first = self.samples() == 0;
        self.0 = self.0 & !Self::SIDES | sides;
        let mut turn = [0.0; MEMBERS];
        for m in 0..MEMBERS {
            let as_before = same >> (22 + m) & 1 == 1;
            turn[m] = if first { 0.0 } else { f32::from(as_before) * 2.0 - 1.0 };
        }
        turn
    }

    /// Decides for a law.
    pub(crate) const fn prefer_regimes(&mut self, regimes: bool) {
        self.0 = if regimes { self.0 | Self::REGIMES } else { self.0 & !Self::REGIMES };
    }
}

/// How well the filters foresaw a sample.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Foresight {
    /// Log likelihood, Huber's beyond his limit, up to a constant.
    pub(crate) likelihood: Lanes,
    /// Squared residual against its variance, at most the limit's.
    pub(crate) squared: Lanes,
    /// Whether they erred to the same side as before: see [`Marks::turn`].
    pub(crate) turn: Lanes,
}

impl State {
    /// A swarm nothing is known of.
    pub(crate) fn unseen(population: &Population) -> Self {
        Self {
            theta: population.mean,
            spread: population.spread,
            regimes: population.regimes.typical,
            demand: f32::INFINITY,
            evidence: 0.0,
            marks: Marks::default(),
        }
    }

    /// Lets `gap` intervals pass.
    #[inline]
    pub(crate) fn predict(&mut self, population: &Population, gap: u32) {
        let far;
        let keep = if gap == 1 {
            &population.keep
        } else {
            far = population.keep.map(|lanes| lanes.map(|phi| phi.powi(gap.min(1 << 14) as i32)));
            &far
        };
        for i in 0..STATES {
            for m in 0..MEMBERS {
                let mean = population.mean[i][m];
                self.theta[i][m] = mean + keep[i][m] * (self.theta[i][m] - mean);
            }
            for j in i..STATES {
                for m in 0..MEMBERS {
                    let own = &mut self.spread[PAIR[i][j]][m];
                    let all = population.spread[PAIR[i][j]][m];
                    *own = all + keep[i][m] * keep[j][m] * (*own - all);
                }
            }
        }
    }

    /// Takes a sample in.
    #[inline]
    pub(crate) fn correct(&mut self, population: &Population, point: Point) -> Foresight {
        let h = [point.x, -point.z, 1.0, 1.0];
        let mut gain = [[0.0; MEMBERS]; STATES];
        let (mut variance, mut residual) = ([0.0; MEMBERS], [point.y; MEMBERS]);
        for i in 0..STATES {
            for j in 0..STATES {
                for m in 0..MEMBERS {
                    gain[i][m] += self.spread[PAIR[i][j]][m] * h[j];
                }
            }
            for m in 0..MEMBERS {
                variance[m] += gain[i][m] * h[i];
                residual[m] -= self.theta[i][m] * h[i];
            }
        }
        let mut seen = Foresight { turn: self.marks.turn(&residual), ..Foresight::default() };
        let (mut step, mut shrink) = ([0.0; MEMBERS], [0.0; MEMBERS]);
        for m in 0..MEMBERS {
            let total = variance[m].max(0.0) + population.noise[point.class][m] * point.widen;
            let limit = HUBER * total.sqrt();
            let size = residual[m].abs();
            let within = if size > limit { limit / size } else { 1.0 };
            step[m] = within * residual[m] / total;
            shrink[m] = within / total;
            let squared = residual[m] * step[m];
            seen.squared[m] = squared.min(HUBER * HUBER);
            // Huber's loss: squared within the limit, linear beyond it.
            let loss = if size > limit { 2.0 * squared - HUBER * HUBER } else { squared };
            seen.likelihood[m] = (-0.5 * (total.ln() + loss)).max(UNLIKELY);
        }
        for i in 0..STATES {
            for m in 0..MEMBERS {
                self.theta[i][m] += gain[i][m] * step[m];
            }
            for j in i..STATES {
                for m in 0..MEMBERS {
                    self.spread[PAIR[i][j]][m] -= shrink[m] * gain[i][m] * gain[j][m];
                }
            }
            for m in 0..MEMBERS {
                let own = &mut self.spread[PAIR[i][i]][m];
                *own = own.max(LEAST);
            }
        }
        self.clamp(point);
        if !self.is_sound() {
            let fresh = Self::unseen(population);
            (self.theta, self.spread) = (fresh.theta, fresh.spread);
            return Foresight::default();
        }
        seen
    }

    /// Puts `a` and `b` into their range and solves the level again, so that the law still says at
    /// this point what it said.
    #[inline]
    fn clamp(&mut self, point: Point) {
        let (low, high) = (PowerLaw::A_RANGE.0 as f32, PowerLaw::A_RANGE.1 as f32);
        for m in 0..MEMBERS {
            let (a, b) = (self.theta[0][m], self.theta[1][m]);
            let (within, crowding) = (a.clamp(low, high), b.max(0.0));
            self.theta[2][m] += (a - within) * point.x - (b - crowding) * point.z;
            (self.theta[0][m], self.theta[1][m]) = (within, crowding);
        }
    }

    /// Whether every number is one that learning can lead to.
    pub(crate) fn is_sound(&self) -> bool {
        // In numbers, for the sake of vector registers; a NaN is not within anything.
        let mut outside = [0.0; MEMBERS];
        for lanes in self.theta.iter().chain(&self.spread) {
            for m in 0..MEMBERS {
                outside[m] += if lanes[m].abs() <= MOST { 0.0 } else { 1.0 };
            }
        }
        outside == [0.0; MEMBERS]
    }
}
