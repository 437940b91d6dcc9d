//! What all swarms have in common, learned as they are: where laws lie, how much they differ, how
//! noisy samples are, and which filter of the bank foresees best.
//!
//! Mean and covariance follow the fixed point of expectation-maximisation: the mean over swarms of
//! `theta`, and of `(theta - mu)(theta - mu)' + P`; some imagined swarms keep small populations sane.

use super::filter::{Foresight, Lanes, MEMBERS, PAIR, PAIRS, STATES, State};
use super::regimes::RegimePopulation;

/// `phi_h` of the four filters: how much of the fast level is left after an interval.
const FAST: Lanes = [0.9, 0.98, 0.995, 0.999_8];
/// `phi` of `a`, `b` and the slow level, which last for hours to a day or more.
const SLOW: [f32; 3] = [0.999_8, 0.999_8, 0.999_5];

/// Where laws lie before any was seen: the level is that of 2.4 bytes downloaded per byte, see [`super::line::CENTRE`].
const MEAN: [f32; STATES] = [0.5, 0.2, 10.78, 0.0];
/// And their standard deviations.
const DEVIATION: [f32; STATES] = [0.12, 0.15, 0.8, 0.2];
/// Least and most standard deviation that is ever assumed.
const RANGE: [(f32, f32); STATES] = [(0.02, 0.25), (0.01, 0.5), (0.05, 3.0), (0.02, 1.5)];
/// Variance of `ln D` in a sample with very many reports, at first (4 %) and at least and most.
const NOISE: f32 = 0.001_6;
const NOISE_RANGE: (f32, f32) = (1e-5, 1.0);

/// How many imagined swarms stand beside the real ones.
const IMAGINED: f64 = 16.0;
/// What the newest interval counts for in the population.
const RATE: f64 = 0.05;
/// What is left of an interval's likelihood after the next.
const DISCOUNT: f32 = 0.98;
/// How much better per sample another filter must be before it is chosen, in nats.
const HYSTERESIS: f32 = 0.002;
/// How fast the noise follows the residuals, and what the mean of their clipped squares should be.
const NOISE_RATE: f64 = 0.1;
const SQUARED: f64 = 0.98;

/// The population, one lane per filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Population {
    /// `mu`.
    pub(crate) mean: [Lanes; STATES],
    /// `Sigma`, upper triangle.
    pub(crate) spread: [Lanes; PAIRS],
    /// The diagonal of `Phi`.
    pub(crate) keep: [Lanes; STATES],
    /// Variance of the noise.
    pub(crate) noise: Lanes,
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
            noise: [NOISE; MEMBERS],
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
            let mut shift = [0.0; STATES];
            // The fast level has no mean: what is common and lasting is in the slow one.
            for i in 0..3 {
                let imagined = IMAGINED * f64::from(MEAN[i] - self.mean[i][m]);
                shift[i] = (found.first[i][m] + imagined) / all;
            }
            for i in 0..STATES {
                for j in i..STATES {
                    let pair = PAIR[i][j];
                    let seen = (found.second[pair][m] + IMAGINED * f64::from(first[pair][m])) / all;
                    let target = if j == 3 && i != 3 { 0.0 } else { seen - shift[i] * shift[j] };
                    let own = f64::from(self.spread[pair][m]);
                    self.spread[pair][m] = (own + RATE * (target - own)) as f32;
                }
            }
            for i in 0..STATES {
                self.mean[i][m] += (RATE * shift[i]) as f32;
            }
            self.bound(m);
            let seen = found.squared[m] / found.swarms;
            let noise = f64::from(self.noise[m]) * (NOISE_RATE * trust * (seen - SQUARED)).exp();
            self.noise[m] = (noise as f32).clamp(NOISE_RANGE.0, NOISE_RANGE.1);
            let likelihood = (trust * found.likelihood[m] / found.swarms) as f32;
            self.likelihood[m] = DISCOUNT * self.likelihood[m] + (1.0 - DISCOUNT) * likelihood;
        }
        let held = self.likelihood[self.best as usize];
        let top = (0..MEMBERS).fold(0, |top, m| if self.likelihood[m] > self.likelihood[top] { m } else { top });
        if self.likelihood[top] > held + HYSTERESIS {
            self.best = top as u8;
        }
    }

    /// Whether it is one that learning could have led to.
    pub(crate) fn is_sound(&self) -> bool {
        let variances = (0..STATES).all(|i| self.spread[PAIR[i][i]].iter().all(|&variance| variance > 0.0));
        let noises = self.noise.iter().chain([&self.regimes.noise]).all(|&noise| noise > 0.0);
        variances && noises
    }

    /// Keeps variances in their range and correlations away from one.
    fn bound(&mut self, m: usize) {
        let mut deviation = [0.0_f32; STATES];
        for i in 0..STATES {
            let own = &mut self.spread[PAIR[i][i]][m];
            *own = own.clamp(RANGE[i].0 * RANGE[i].0, RANGE[i].1 * RANGE[i].1);
            deviation[i] = own.sqrt();
        }
        for i in 0..STATES {
            for j in i + 1..STATES {
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
    for i in 0..STATES {
        spread[PAIR[i][i]] = [DEVIATION[i] * DEVIATION[i]; MEMBERS];
    }
    spread
}

/// Sums over the swarms of one update.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// How many swarms were fitted.
    pub(crate) swarms: f64,
    /// `sum (theta - mu)`.
    first: [[f64; MEMBERS]; STATES],
    /// `sum (theta - mu)(theta - mu)' + P`.
    second: [[f64; MEMBERS]; PAIRS],
    likelihood: [f64; MEMBERS],
    squared: [f64; MEMBERS],
}

impl Totals {
    /// Adds a swarm that was just corrected.
    #[inline]
    pub(crate) fn add(&mut self, population: &Population, state: &State, seen: &Foresight) {
        self.swarms += 1.0;
        let mut away = [[0.0_f32; MEMBERS]; STATES];
        for i in 0..STATES {
            for m in 0..MEMBERS {
                away[i][m] = state.theta[i][m] - population.mean[i][m];
                self.first[i][m] += f64::from(away[i][m]);
            }
        }
        for i in 0..STATES {
            for j in i..STATES {
                let pair = PAIR[i][j];
                for m in 0..MEMBERS {
                    self.second[pair][m] += f64::from(away[i][m] * away[j][m] + state.spread[pair][m]);
                }
            }
        }
        for m in 0..MEMBERS {
            self.likelihood[m] += f64::from(seen.likelihood[m]);
            self.squared[m] += f64::from(seen.squared[m]);
        }
    }
}
