//! What all swarms have in common, learned as they are: where laws lie, how much they differ, how
//! noisy samples are, and which filter of the bank foresees best.
//!
//! Mean and covariance follow the fixed point of expectation-maximisation: the mean over swarms of
//! `theta`, and of `(theta - mu)(theta - mu)' + P`; some imagined swarms keep small populations sane.

use super::filter::{Foresight, Lanes, MEMBERS, PAIR, PAIRS, STATES, State};
use super::noise::{self, Noise, Squares};
use super::regimes::RegimePopulation;

/// `phi_h` of the four filters: how much of the fast level is left after an interval.
const FAST: Lanes = [0.9, 0.98, 0.995, 0.999_8];
/// `phi` of `a` and `b`, which move by a hundredth in a day, and of the slow level, which hardly does: where the
/// level moves, that is for the fast one to follow.
const SLOW: [f32; 3] = [0.999_98, 0.999_98, 0.999_995];

/// Where laws lie before any was seen: the level is that of 2.4 bytes downloaded per byte, see [`super::line::CENTRE`].
const MEAN: [f32; STATES] = [0.5, 0.2, 10.78, 0.0];
/// And their standard deviations.
const DEVIATION: [f32; 3] = [0.12, 0.15, 0.8];
/// Least and most standard deviation that is ever assumed.
const RANGE: [(f32, f32); 3] = [(0.02, 0.25), (0.01, 0.5), (0.05, 3.0)];
/// Standard deviation of the fast level at first, and the range of its steps. How far the level moves in an interval is
/// learned from the sides on which forecasts err: the same side again and again means too little, now
/// one and now the other too much.
const FAST_DEVIATION: Lanes = [0.3, 0.4, 0.4, 0.25];
const FAST_STEP: (f32, f32) = (0.000_2, 0.25);
/// How fast its logarithm follows.
const FAST_RATE: f64 = 0.2;
/// How many imagined swarms stand beside the real ones.
const IMAGINED: f64 = 16.0;
/// What the newest interval counts for in the population.
const RATE: f64 = 0.05;
/// What is left of an interval's likelihood after the next.
const DISCOUNT: f32 = 0.98;
/// How much better per sample another filter must be before it is chosen, in nats.
const HYSTERESIS: f32 = 0.002;
/// The population, one lane per filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Population {
    /// `mu`.
    pub(crate) mean: [Lanes; STATES],
    /// `Sigma`, upper triangle.
    pub(crate) spread: [Lanes; PAIRS],
    /// The diagonal of `Phi`.
    pub(crate) keep: [Lanes; STATES],
    /// Variance of the noise, by class of sample.
    pub(crate) noise: Noise<MEMBERS>,
    /// Discounted log likelihood per sample of each filter.
    pub(crate) likelihood: [f32; MEMBERS],
    /// The filter whose states are the estimate.
    pub(crate) best: u8,
    /// The same for the three-regime law.
    pub(crate) regimes: RegimePopulation,
}

impl Population {
    pub(crate) fn new() -> Self {
        let mut keep = [[0.0; MEMBERS]; STATES];
        for (i, &phi) in SLOW.iter().enumerate() {
            keep[i] = [phi; MEMBERS];
        }
        keep[3] = FAST;
        Self {
            mean: MEAN.map(|mean| [mean; MEMBERS]),
            spread: first_spread(),
            keep,
            noise: noise::first(1.0),
            likelihood: [0.0; MEMBERS],
            best: 2,
            regimes: RegimePopulation::new(),
        }
    }

    /// Takes in what an update found.
    pub(crate) fn learn(&mut self, found: &Totals) {
        if found.swarms == 0.0 {
            return;
        }
        let all = found.swarms + IMAGINED;
        let trust = found.swarms / all;
        let first = first_spread();
        for m in 0..MEMBERS {
            let mut shift = [0.0; 3];
            for i in 0..3 {
                let imagined = IMAGINED * f64::from(MEAN[i] - self.mean[i][m]);
                shift[i] = (found.first[i][m] + imagined) / all;
            }
            for i in 0..3 {
                for j in i..3 {
                    let pair = PAIR[i][j];
                    let seen = (found.second[pair][m] + IMAGINED * f64::from(first[pair][m])) / all;
                    let target = seen - shift[i] * shift[j];
                    let own = f64::from(self.spread[pair][m]);
                    self.spread[pair][m] = (own + RATE * (target - own)) as f32;
                }
            }
            for i in 0..3 {
                self.mean[i][m] += (RATE * shift[i]) as f32;
            }
            self.bound(m);
            let fast = &mut self.spread[PAIR[3][3]][m];
            let grown = f64::from(*fast) * (FAST_RATE * trust * found.turn[m] / found.swarms).exp();
            // A step's variance is this part of the level's.
            let part = 1.0 - self.keep[3][m] * self.keep[3][m];
            *fast = (grown as f32).clamp(FAST_STEP.0.powi(2) / part, FAST_STEP.1.powi(2) / part);
            let likelihood = (trust * found.likelihood[m] / found.swarms) as f32;
            self.likelihood[m] = DISCOUNT * self.likelihood[m] + (1.0 - DISCOUNT) * likelihood;
        }
        found.squares.teach(&mut self.noise);
        let held = self.likelihood[self.best as usize];
        let top = (0..MEMBERS).fold(0, |top, m| if self.likelihood[m] > self.likelihood[top] { m } else { top });
        if self.likelihood[top] > held + HYSTERESIS {
            self.best = top as u8;
        }
    }

    /// Whether it is one that learning could have led to.
    pub(crate) fn is_sound(&self) -> bool {
        let variances = (0..STATES).all(|i| self.spread[PAIR[i][i]].iter().all(|&variance| variance > 0.0));
        let noises =
            self.noise.as_flattened().iter().chain(self.regimes.noise.as_flattened()).all(|&noise| noise > 0.0);
        variances && noises
    }

    /// Keeps variances in their range and correlations away from one.
    fn bound(&mut self, m: usize) {
        let mut deviation = [0.0_f32; 3];
        for i in 0..3 {
            let own = &mut self.spread[PAIR[i][i]][m];
            *own = own.clamp(RANGE[i].0 * RANGE[i].0, RANGE[i].1 * RANGE[i].1);
            deviation[i] = own.sqrt();
        }
        for i in 0..3 {
            for j in i + 1..3 {
                // Below 1/2 each, the three correlations there are leave no row without dominance.
                let most = 0.49 * deviation[i] * deviation[j];
                let own = &mut self.spread[PAIR[i][j]][m];
                *own = own.clamp(-most, most);
            }
        }
    }
}

fn first_spread() -> [Lanes; PAIRS] {
    let mut spread = [[0.0; MEMBERS]; PAIRS];
    for i in 0..3 {
        spread[PAIR[i][i]] = [DEVIATION[i] * DEVIATION[i]; MEMBERS];
    }
    spread[PAIR[3][3]] = FAST_DEVIATION.map(|deviation| deviation * deviation);
    spread
}

/// Sums over the swarms of one update: few in single precision, then these in double.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// How many swarms were fitted.
    pub(crate) swarms: f64,
    /// `sum (theta - mu)`.
    first: [[f64; MEMBERS]; STATES],
    /// `sum (theta - mu)(theta - mu)' + P`.
    second: [[f64; MEMBERS]; PAIRS],
    likelihood: [f64; MEMBERS],
    turn: [f64; MEMBERS],
    squares: Squares<MEMBERS>,
    few: Few,
}

/// Sums of a few swarms.
#[derive(Debug, Clone, Default)]
struct Few {
    swarms: u32,
    first: [Lanes; STATES],
    second: [Lanes; PAIRS],
    likelihood: Lanes,
    turn: Lanes,
    squares: Squares<MEMBERS>,
}

impl Totals {
    /// Adds a swarm that was just corrected.
    #[inline]
    pub(crate) fn add(&mut self, population: &Population, state: &State, class: usize, seen: &Foresight) {
        let few = &mut self.few;
        let mut away = [[0.0_f32; MEMBERS]; STATES];
        for i in 0..STATES {
            for m in 0..MEMBERS {
                away[i][m] = state.theta[i][m] - population.mean[i][m];
                few.first[i][m] += away[i][m];
            }
        }
        for i in 0..3 {
            for j in i..3 {
                let pair = PAIR[i][j];
                for m in 0..MEMBERS {
                    few.second[pair][m] += away[i][m] * away[j][m] + state.spread[pair][m];
                }
            }
        }
        for m in 0..MEMBERS {
            few.likelihood[m] += seen.likelihood[m];
            few.turn[m] += seen.turn[m];
        }
        few.squares.add(class, seen.squared);
        few.swarms += 1;
        if few.swarms == 64 {
            self.flush();
        }
    }

    /// Carries the few over.
    pub(crate) fn flush(&mut self) {
        let few = std::mem::take(&mut self.few);
        self.swarms += f64::from(few.swarms);
        for m in 0..MEMBERS {
            for i in 0..STATES {
                self.first[i][m] += f64::from(few.first[i][m]);
            }
            for pair in 0..PAIRS {
                self.second[pair][m] += f64::from(few.second[pair][m]);
            }
            self.likelihood[m] += f64::from(few.likelihood[m]);
            self.turn[m] += f64::from(few.turn[m]);
        }
        self.squares.merge(&few.squares);
    }
}
