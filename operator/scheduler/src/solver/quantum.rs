//! The grain of a solution, which makes its sum exact.
//!
//! Every rate is a whole multiple of a power of two so small that 2^52 of them make the
//! capacity. Sums of such rates up to the capacity are exact in `f64`, in any order, by anyone
//! who adds them up: a table that is feasible here is feasible everywhere.

/// Share of a capacity that is left unspent, so that rates printed in decimals still fit.
pub(crate) const SLACK: f64 = 1e-12;

/// A power of two, in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantum(f64);

impl Quantum {
    /// The grain for a capacity in bytes per second: between 2^-53 and 2^-52 of it.
    #[must_use]
    pub fn for_capacity(capacity: f64) -> Self {
        // Capacities below 2^-200 bytes per second count as none at all.
        let exponent = capacity.max(2.0_f64.powi(-200)).log2().ceil() as i32;
        let quantum = Self(2.0_f64.powi(exponent - 52));
        // `log2` may round across a power of two; never be too fine.
        if capacity > quantum.0 * 2.0_f64.powi(52) { Self(quantum.0 * 2.0) } else { quantum }
    }

    /// The grain in bytes per second.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The largest multiple that is not above `rate`.
    #[must_use]
    pub fn down(self, rate: f64) -> f64 {
        (rate / self.0).floor() * self.0
    }

    /// The smallest multiple that is not below `rate`.
    #[must_use]
    pub fn up(self, rate: f64) -> f64 {
        (rate / self.0).ceil() * self.0
    }

    /// How many grains a rate is.
    #[must_use]
    pub fn units(self, rate: f64) -> i64 {
        (rate / self.0) as i64
    }

    /// The rate of so many grains.
    #[must_use]
    pub fn rate(self, units: i64) -> f64 {
        units as f64 * self.0
    }
}
