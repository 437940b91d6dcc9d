//! What the pool's owner wants: the alpha-fair family and the target rate.
//!
//! All maximise `sum w l u(D/l)` with `u(x) = x^(1-alpha)/(1-alpha)`, `ln x` at 1. With
//! `D = c S^a` the marginal is `w a c^(1-alpha) l^alpha S^(a(1-alpha)-1)`: always a power of `S`, so
//! one closed form `S(nu)` and one solver serve the whole family.

use crate::units::BytesPerSecond;

/// `d_high`, the rate at which playback does not stall (Li et al., IEEE TPDS 24(11), 2013).
pub const DEFAULT_TARGET: f64 = 100_000.0;

/// The objective of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// The paper's: the largest total download, `alpha = 0`.
    Multiplier,
    /// Proportional fairness, `alpha = 1`.
    Balanced,
    /// The smallest total delay, `alpha = 2`.
    Delay,
    /// The least upload that keeps every viewer at this rate (bytes per second each); what is
    /// left of the pool stays unspent. In shortage: [`Objective::Delay`] up to that rate.
    Target(BytesPerSecond),
}

impl Objective {
    /// The fairness exponent of the utility that is maximised.
    #[must_use]
    pub const fn alpha(self) -> f64 {
        match self {
            Self::Multiplier => 0.0,
            Self::Balanced => 1.0,
            Self::Delay | Self::Target(_) => 2.0,
        }
    }

    /// The rate beyond which a viewer needs no more, if the objective knows one.
    #[must_use]
    pub const fn target(self) -> Option<BytesPerSecond> {
        match self {
            Self::Target(rate) => Some(rate),
            _ => None,
        }
    }
}

impl Default for Objective {
    fn default() -> Self {
        Self::Target(BytesPerSecond::clamped(DEFAULT_TARGET))
    }
}
