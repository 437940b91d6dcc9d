//! The three-regime law learned beside the power law: an extended Kalman filter on `ln u` and `eta`.
//!
//! `D = min(l (S + s u), S + (s + eta l) u, l d_max)`, smoothed as in [`crate::model::RegimeLaw`]. Both
//! states revert to the population, as the power law's do; `d_max` is learned in [`super::choice`].

use super::filter::{MOST, UNLIKELY};
use super::noise::{self, Noise, Squares};
use super::sample::Sample;

/// `phi` of `ln u` and of `eta`.
const KEEP: [f32; 2] = [0.98, 0.999];
/// What is believed of a swarm at first: 50 kB/s a peer, 60 % of it of use to leechers.
const FIRST: Regimes = Regimes { ln_u: 10.82, eta: 0.6, spread: [0.64, 0.0, 0.06] };
/// Least and most variance over the population, of `ln u` and of `eta`.
const RANGE: [(f32, f32); 2] = [(0.002_5, 4.0), (0.000_4, 0.1)];
/// The range of `ln u`.
const LN_U: (f32, f32) = (0.0, 23.0);
const HUBER: f32 = 3.0;
const IMAGINED: f64 = 16.0;
const RATE: f64 = 0.05;

/// One swarm's filter; also the population's mean and covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Regimes {
    /// Logarithm of a peer's upload, bytes per second.
    pub(crate) ln_u: f32,
    /// The share of it a leecher can make use of.
    pub(crate) eta: f32,
    /// Variance of `ln u`, covariance, variance of `eta`.
    pub(crate) spread: [f32; 3],
}

/// What all swarms have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RegimePopulation {
    /// Mean and covariance over swarms.
    pub(crate) typical: Regimes,
    /// Variance of the noise of `ln D`, by class of sample.
    pub(crate) noise: Noise<1>,
}

/// Sums over the swarms of one update.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RegimeTotals {
    swarms: f64,
    first: [f64; 2],
    second: [f64; 3],
    squares: Squares<1>,
}

impl Regimes {
    /// Lets `gap` intervals pass, then takes a sample in; its log likelihood, or `None` when it says nothing.
    pub(crate) fn update(
        &mut self,
        population: &RegimePopulation,
        totals: &mut RegimeTotals,
        sample: &Sample,
        ln_demand: f32,
        gap: u32,
    ) -> Option<f32> {
        let all = &population.typical;
        let keep = KEEP.map(|phi| phi.powi(gap.min(1 << 14) as i32));
        self.ln_u = all.ln_u + keep[0] * (self.ln_u - all.ln_u);
        self.eta = all.eta + keep[1] * (self.eta - all.eta);
        for (k, factor) in [keep[0] * keep[0], keep[0] * keep[1], keep[1] * keep[1]].into_iter().enumerate() {
            self.spread[k] = all.spread[k] + factor * (self.spread[k] - all.spread[k]);
        }
        let (ln_d, by_u, by_eta) = self.log_download(sample, ln_demand)?;
        let (class, widen) = noise::class(sample.reports);
        let residual = sample.download.get().ln() as f32 - ln_d;
        let gain = [
            self.spread[0] * by_u + self.spread[1] * by_eta, //
            self.spread[1] * by_u + self.spread[2] * by_eta,
        ];
        let total = (gain[0] * by_u + gain[1] * by_eta).max(0.0) + population.noise[class][0] * widen;
        let limit = HUBER * total.sqrt();
        let size = residual.abs();
        let within = if size > limit { limit / size } else { 1.0 };
        let (step, shrink) = (within * residual / total, within / total);
        self.ln_u = (self.ln_u + gain[0] * step).clamp(LN_U.0, LN_U.1);
        self.eta = (self.eta + gain[1] * step).clamp(0.0, 1.0);
        self.spread[0] = (self.spread[0] - shrink * gain[0] * gain[0]).max(1e-8);
        self.spread[1] -= shrink * gain[0] * gain[1];
        self.spread[2] = (self.spread[2] - shrink * gain[1] * gain[1]).max(1e-8);
        let squared = residual * step;
        if !(self.is_sound() && squared.is_finite()) {
            *self = *all;
            return None;
        }
        totals.squares.add(class, [squared.min(HUBER * HUBER)]);
        totals.add(all, self);
        let loss = if size > limit { 2.0 * squared - HUBER * HUBER } else { squared };
        Some((-0.5 * (total.ln() + loss)).max(UNLIKELY))
    }

    /// Whether every number is one that learning can lead to.
    pub(crate) fn is_sound(&self) -> bool {
        let [uu, ue, ee] = self.spread;
        [self.ln_u, self.eta, uu, ue, ee].into_iter().all(|number| number.abs() <= MOST)
    }

    /// `ln D` and its derivatives by `ln u` and by `eta`.
    fn log_download(&self, sample: &Sample, ln_demand: f32) -> Option<(f32, f32, f32)> {
        let (s, l) = (sample.audience.seeders.get() as f32, sample.audience.leechers.get() as f32);
        let (upload, u) = (sample.upload.get() as f32, self.ln_u.exp());
        let limits = [
            l.max(1.0) * (upload + s * u), //
            upload + (s + self.eta * l) * u,
            l * ln_demand.exp(),
        ];
        let least = limits[0].min(limits[1]).min(limits[2]);
        if !(least > 0.0 && least.is_finite()) {
            return None;
        }
        let twelfth = |x: f32| {
            let ratio = least / x;
            let cube = ratio * ratio * ratio;
            let sixth = cube * cube;
            sixth * sixth
        };
        let share = limits.map(twelfth);
        let sum = share[0] + share[1] + share[2];
        let by_u = share[0] * s * u / (upload + s * u) + share[1] * (s + self.eta * l) * u / limits[1];
        let by_eta = share[1] * l * u / limits[1];
        Some((least.ln() - sum.ln() / 12.0, by_u / sum, by_eta / sum))
    }
}

impl RegimePopulation {
    pub(crate) fn new() -> Self {
        Self { typical: FIRST, noise: noise::first(4.0) }
    }

    /// Takes in what an update found.
    pub(crate) fn learn(&mut self, found: &RegimeTotals) {
        if found.swarms == 0.0 {
            return;
        }
        let all = found.swarms + IMAGINED;
        let own = &mut self.typical;
        let imagined = [FIRST.ln_u - own.ln_u, FIRST.eta - own.eta].map(|away| IMAGINED * f64::from(away));
        let shift = [(found.first[0] + imagined[0]) / all, (found.first[1] + imagined[1]) / all];
        let squares = [shift[0] * shift[0], shift[0] * shift[1], shift[1] * shift[1]];
        for k in 0..3 {
            let target = (found.second[k] + IMAGINED * f64::from(FIRST.spread[k])) / all - squares[k];
            let now = f64::from(own.spread[k]);
            own.spread[k] = (now + RATE * (target - now)) as f32;
        }
        own.spread[0] = own.spread[0].clamp(RANGE[0].0, RANGE[0].1);
        own.spread[2] = own.spread[2].clamp(RANGE[1].0, RANGE[1].1);
        let most = 0.9 * (own.spread[0] * own.spread[2]).sqrt();
        own.spread[1] = own.spread[1].clamp(-most, most);
        own.ln_u = (own.ln_u + (RATE * shift[0]) as f32).clamp(LN_U.0, LN_U.1);
        own.eta = (own.eta + (RATE * shift[1]) as f32).clamp(0.0, 1.0);
        found.squares.teach(&mut self.noise);
    }
}

impl RegimeTotals {
    fn add(&mut self, all: &Regimes, own: &Regimes) {
        let away = [own.ln_u - all.ln_u, own.eta - all.eta];
        let second = [away[0] * away[0], away[0] * away[1], away[1] * away[1]];
        self.swarms += 1.0;
        for k in 0..2 {
            self.first[k] += f64::from(away[k]);
        }
        for k in 0..3 {
            self.second[k] += f64::from(second[k] + own.spread[k]);
        }
    }
}
