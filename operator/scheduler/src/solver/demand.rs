//! What one swarm asks for at a price: a decreasing curve `S(nu)` between a floor and a ceiling.
//!
//! `nu` is the logarithm of the price, the marginal utility at which a byte is worth uploading.
//! Every policy is a choice of such curves; the solver knows nothing else of swarms.

use crate::model::{Law, Objective, RegimeLaw, Swarm, SwarmLaw};
use crate::units::{Audience, BytesPerSecond};

/// The curve before it is clipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `S = exp(offset - slope nu)`, the closed form of the power law under every objective.
    Power {
        /// `a'` of the paper's successor formula, `ln(marginal at S = 1) / elasticity`.
        offset: f64,
        /// `b'`, how strongly the demand falls with the log price; above zero.
        slope: f64,
    },
    /// A constant marginal `exp(nu)`: everything below that price, nothing above.
    Step {
        /// Logarithm of the constant marginal.
        nu: f64,
    },
    /// The three-regime law under an alpha-fair utility, inverted numerically.
    Regimes {
        /// The law.
        law: RegimeLaw,
        /// Who is in the swarm.
        audience: Audience,
        /// Fairness exponent of the utility.
        alpha: f64,
        /// Weight of the swarm.
        weight: f64,
    },
}

/// A swarm's demand: its curve, clipped to `lo..=hi` in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// The curve.
    pub shape: Shape,
    /// Least upload, bytes per second.
    pub lo: f64,
    /// Most upload, bytes per second; at least `lo`.
    pub hi: f64,
}

impl Demand {
    /// The demand that maximises `objective`: the price is `d(w l u(D/l))/dS`.
    #[must_use]
    pub fn of(swarm: &Swarm, objective: Objective, min_marginal: f64) -> Self {
        let (lo, hi) = swarm.range_for(objective, min_marginal);
        let weight = swarm.weight.get();
        if weight == 0.0 || lo >= hi {
            return Self { shape: Shape::Step { nu: f64::NEG_INFINITY }, lo, hi: lo };
        }
        let alpha = objective.alpha();
        let leechers = swarm.audience.leechers.get();
        let shape = match swarm.present_law() {
            SwarmLaw::Power(law) => {
                let slope = 1.0 / (1.0 - law.a() * (1.0 - alpha));
                let at_one =
                    weight.ln() + law.a().ln() + (1.0 - alpha) * law.ln_scale(swarm.audience) + alpha * leechers.ln();
                Shape::Power { offset: slope * at_one, slope }
            }
            SwarmLaw::Solo(_) if alpha == 0.0 => Shape::Step { nu: weight.ln() },
            SwarmLaw::Solo(_) => Shape::Power { offset: weight.ln() / alpha + leechers.ln(), slope: 1.0 / alpha },
            SwarmLaw::Regimes(law) => Shape::Regimes { law, audience: swarm.audience, alpha, weight },
        };
        Self { shape, lo, hi }
    }

    /// `share e^-nu` between the limits: proportional to `share` within one price.
    #[must_use]
    pub fn proportional(share: f64, lo: f64, hi: f64) -> Self {
        if share > 0.0 && hi > lo {
            Self { shape: Shape::Power { offset: share.ln(), slope: 1.0 }, lo, hi }
        } else {
            Self { shape: Shape::Step { nu: f64::NEG_INFINITY }, lo, hi: lo }
        }
    }

    /// The upload at this log price; at a step's own price, its ceiling.
    #[must_use]
    pub fn at(&self, nu: f64) -> f64 {
        let raw = match self.shape {
            Shape::Power { offset, slope } => (offset - slope * nu).exp(),
            Shape::Step { nu: own } => {
                if nu <= own {
                    self.hi
                } else {
                    self.lo
                }
            }
            Shape::Regimes { law, audience, alpha, weight } => {
                let price = nu.exp();
                // The ends need a look only where the answer may lie beyond them.
                let guess = if alpha == 0.0 { f64::NAN } else { law.sharp_upload_at(audience, (alpha, weight, price)) };
                let (above_lo, below_hi) = (guess > 1.25 * self.lo, guess < 0.8 * self.hi);
                if !below_hi && self.slope_at(self.hi) >= price {
                    self.hi
                } else if !above_lo && self.slope_at(self.lo) <= price {
                    self.lo
                } else if alpha == 0.0 {
                    // Where peers' upload is the limit the marginal is all but constant: only bisection is sure there.
                    RegimeLaw::root(|s| self.slope_at(s) - price)
                } else {
                    RegimeLaw::root_near(|s| (self.slope_at(s) / price).ln(), guess, (self.lo, self.hi))
                }
            }
        };
        raw.max(self.lo).min(self.hi)
    }

    /// The upload at this log price, and how fast it falls with it.
    #[must_use]
    pub(crate) fn at_with_fall(&self, nu: f64) -> (f64, f64) {
        // A step of 1e-6: the slope only guides the search.
        const STEP: f64 = 1e-6;
        let here = self.at(nu);
        if here <= self.lo || here >= self.hi {
            return (here, 0.0);
        }
        let fall = nu - self.slope_at(here * (1.0 + STEP)).ln();
        if fall > 1e-9 * STEP {
            (here, here * STEP / fall)
        } else {
            (here, (here - self.at(nu + STEP)).max(0.0) / STEP)
        }
    }

    /// The log price of a step.
    #[must_use]
    pub const fn step(&self) -> Option<f64> {
        match self.shape {
            Shape::Step { nu } => Some(nu),
            _ => None,
        }
    }

    /// The price at which exactly `upload` is asked for, were there no limits.
    #[must_use]
    pub fn slope_at(&self, upload: f64) -> f64 {
        match self.shape {
            Shape::Power { offset, slope } => ((offset - upload.ln()) / slope).exp(),
            Shape::Step { nu } => nu.exp(),
            Shape::Regimes { law, audience, alpha, weight } => {
                let (download, marginal) = law.both(audience, upload);
                let each = download / audience.leechers.get();
                let value = match alpha {
                    0.0 => 1.0,
                    2.0 => (each * each).recip(),
                    _ => each.powf(-alpha),
                };
                weight * value * marginal
            }
        }
    }

    /// Utility at this upload, up to a constant: the integral of [`Self::slope_at`].
    #[must_use]
    pub fn utility(&self, upload: f64) -> f64 {
        match self.shape {
            Shape::Power { offset, slope } => {
                let power = 1.0 - 1.0 / slope;
                if power == 0.0 {
                    offset.exp() * upload.ln()
                } else {
                    (offset / slope + power * upload.ln()).exp() / power
                }
            }
            Shape::Step { nu } if nu == f64::NEG_INFINITY => 0.0,
            Shape::Step { nu } => nu.exp() * upload,
            Shape::Regimes { law, audience, alpha, weight } => {
                let leechers = audience.leechers.get();
                let each = law.download(audience, BytesPerSecond::clamped(upload)).get() / leechers;
                let value = if alpha == 1.0 { each.ln() } else { each.powf(1.0 - alpha) / (1.0 - alpha) };
                weight * leechers * value
            }
        }
    }
}
