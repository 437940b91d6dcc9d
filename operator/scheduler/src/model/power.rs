//! The paper's power law of a swarm (Li et al., IEEE IWQoS 2012):
//! `D/l = (S/l)^a (l/(s+1))^-b f`, with the cloud counted as one more seed.

use super::Law;
use crate::units::{Audience, BytesPerSecond};

/// A parameter outside the law's range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LawError {
    /// `a` must lie strictly between 0 and 1, or `D(S)` is not concave.
    #[error("failed to build the power law: a = {0} is not strictly between 0 and 1")]
    Exponent(f64),
    /// `b` must be finite and not negative.
    #[error("failed to build the power law: b = {0} is not a finite number of at least 0")]
    Crowding(f64),
    /// `f` must be finite and positive.
    #[error("failed to build the power law: f = {0} is not a finite number above 0")]
    Factor(f64),
    /// A parameter of the three-regime law is not finite, or is negative.
    #[error("failed to build the three-regime law: {name} = {value} is out of range")]
    Regime {
        /// Which parameter.
        name: &'static str,
        /// What it was.
        value: f64,
    },
}

/// Fitted parameters of one swarm; concave in `S` because `0 < a < 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    a: f64,
    b: f64,
    ln_f: f64,
}

impl PowerLaw {
    /// The range fits are clamped to: outside it `1/(1-a)` makes the optimum too sharp to trust.
    pub const A_RANGE: (f64, f64) = (0.05, 0.9);

    /// Checks `0 < a < 1`, `b >= 0`, `f > 0`, all finite; `f` in (bytes per second)^(1-a).
    ///
    /// # Errors
    /// [`LawError`] naming the parameter that is out of range.
    pub fn new(a: f64, b: f64, f: f64) -> Result<Self, LawError> {
        if !(f.is_finite() && f > 0.0) {
            return Err(LawError::Factor(f));
        }
        Self::from_log(a, b, f.ln())
    }

    /// As [`Self::new`], with `ln f`, which cannot overflow.
    ///
    /// # Errors
    /// [`LawError`] naming the parameter that is out of range.
    pub fn from_log(a: f64, b: f64, ln_f: f64) -> Result<Self, LawError> {
        if !(a > 0.0 && a < 1.0) {
            return Err(LawError::Exponent(a));
        }
        if !(b.is_finite() && b >= 0.0) {
            return Err(LawError::Crowding(b));
        }
        if !ln_f.is_finite() {
            return Err(LawError::Factor(ln_f.exp()));
        }
        Ok(Self { a, b: b + 0.0, ln_f })
    }

    /// Elasticity of the download in the upload.
    #[must_use]
    pub const fn a(&self) -> f64 {
        self.a
    }

    /// How much a crowd of leechers per seed hurts.
    #[must_use]
    pub const fn b(&self) -> f64 {
        self.b
    }

    /// Level of the law, `ln f`.
    #[must_use]
    pub const fn ln_f(&self) -> f64 {
        self.ln_f
    }

    /// `ln c` of `D = c S^a`: `c = l^(1-a-b) (s+1)^b f`; minus infinity without leechers.
    #[must_use]
    pub fn ln_scale(&self, audience: Audience) -> f64 {
        let leechers = audience.leechers.get().ln();
        let seeds = audience.seeders.get().ln_1p();
        (1.0 - self.a) * leechers - self.b * (leechers - seeds) + self.ln_f
    }

    /// The `S` at which the law would give `D = S`: above it the law no longer holds, because
    /// what the cloud uploads is downloaded. `c^(1/(1-a))`, possibly infinite.
    #[must_use]
    pub fn unit_multiplier(&self, audience: Audience) -> f64 {
        (self.ln_scale(audience) / (1.0 - self.a)).exp()
    }

    /// The `S` at which `dD/dS` falls to `marginal`: `(a c / marginal)^(1/(1-a))`, possibly infinite.
    #[must_use]
    pub fn upload_at_marginal(&self, audience: Audience, marginal: f64) -> f64 {
        ((self.a.ln() + self.ln_scale(audience) - marginal.ln()) / (1.0 - self.a)).exp()
    }
}

impl Law for PowerLaw {
    fn download(&self, audience: Audience, upload: BytesPerSecond) -> BytesPerSecond {
        if audience.is_idle() {
            return BytesPerSecond::ZERO;
        }
        BytesPerSecond::clamped((self.ln_scale(audience) + self.a * upload.get().ln()).exp())
    }

    fn marginal(&self, audience: Audience, upload: BytesPerSecond) -> f64 {
        if audience.is_idle() {
            return 0.0;
        }
        (self.a.ln() + self.ln_scale(audience) - (1.0 - self.a) * upload.get().ln()).exp()
    }

    fn upload_for(&self, audience: Audience, download: BytesPerSecond) -> Option<BytesPerSecond> {
        if download == BytesPerSecond::ZERO {
            return Some(BytesPerSecond::ZERO);
        }
        if audience.is_idle() {
            return None;
        }
        let upload = ((download.get().ln() - self.ln_scale(audience)) / self.a).exp();
        (upload <= BytesPerSecond::MAX.get()).then(|| BytesPerSecond::clamped(upload))
    }
}
