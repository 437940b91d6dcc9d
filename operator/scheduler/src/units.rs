//! The units of the scheduler as types: bytes per second, peers and weights.
//!
//! Each is a finite, non-negative `f64`, checked once on construction, so the
//! formulas behind them never meet a NaN. Inside the solver's arrays the bare
//! numbers are used; these types stand at every public boundary.

use std::fmt;

/// A number that is not what its unit asks for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("failed to read {unit}: {value} is not {wanted}")]
pub struct UnitError {
    unit: &'static str,
    value: f64,
    wanted: &'static str,
}

fn non_negative(unit: &'static str, value: f64, limit: f64) -> Result<f64, UnitError> {
    if value.is_finite() && value >= 0.0 && value <= limit {
        // `+ 0.0` turns a negative zero into zero.
        Ok(value + 0.0)
    } else {
        Err(UnitError { unit, value, wanted: "a finite number from 0 to the largest allowed" })
    }
}

/// A rate in bytes per second: finite, from 0 to 10^15.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct BytesPerSecond(f64);

impl BytesPerSecond {
    /// No bytes at all.
    pub const ZERO: Self = Self(0.0);
    /// The largest rate that is accepted, 10^15 bytes per second.
    pub const MAX: Self = Self(1e15);

    /// Checks a rate in bytes per second.
    ///
    /// # Errors
    /// [`UnitError`] when the value is NaN, infinite, negative or above [`Self::MAX`].
    pub fn new(value: f64) -> Result<Self, UnitError> {
        non_negative("a rate in bytes per second", value, Self::MAX.0).map(Self)
    }

    /// A computed rate: clamped into the range, NaN taken as zero.
    #[must_use]
    pub const fn clamped(value: f64) -> Self {
        if value >= Self::MAX.0 {
            Self::MAX
        } else if value > 0.0 {
            Self(value)
        } else {
            Self::ZERO
        }
    }

    /// The rate in bytes per second.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B/s", self.0)
    }
}

/// A number of peers, a time average and so not necessarily whole: from 0 to 10^12.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Peers(f64);

impl Peers {
    /// Nobody.
    pub const ZERO: Self = Self(0.0);

    /// Checks a number of peers.
    ///
    /// # Errors
    /// [`UnitError`] when the value is NaN, infinite, negative or above 10^12.
    pub fn new(value: f64) -> Result<Self, UnitError> {
        non_negative("a number of peers", value, 1e12).map(Self)
    }

    /// The number of peers.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The priority of a swarm: its utility counts this many times. From 0 (only its floor) to 10^6.
///
/// A weight of 2 gives 2.7, 4 or 10 times the upload at a = 0.3, 0.5, 0.7, so bound it per tenant.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Weight(f64);

impl Weight {
    /// The weight of a swarm nobody preferred.
    pub const ONE: Self = Self(1.0);

    /// Checks a weight.
    ///
    /// # Errors
    /// [`UnitError`] when the value is NaN, infinite, negative or above 10^6.
    pub fn new(value: f64) -> Result<Self, UnitError> {
        non_negative("a weight", value, 1e6).map(Self)
    }

    /// The bare factor.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

/// Who is online in a swarm, as time averages over one interval.
///
/// The seeders are the peers' own; the cloud's uploaders are left out and enter the
/// laws as the one more seed they are together (`s + 1`).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Audience {
    /// Online peers that hold the whole content.
    pub seeders: Peers,
    /// Online peers that still download.
    pub leechers: Peers,
}

impl Audience {
    /// Checks both numbers.
    ///
    /// # Errors
    /// [`UnitError`] when either is no valid number of peers.
    pub fn new(seeders: f64, leechers: f64) -> Result<Self, UnitError> {
        Ok(Self { seeders: Peers::new(seeders)?, leechers: Peers::new(leechers)? })
    }

    /// At most one leecher and no seeder: there is no swarm, only a download from the cloud.
    #[must_use]
    pub fn is_solo(self) -> bool {
        self.seeders.get() == 0.0 && self.leechers.get() <= 1.0
    }

    /// Nobody downloads: upload would be useless and there is no sample.
    #[must_use]
    pub fn is_idle(self) -> bool {
        self.leechers.get() == 0.0
    }
}
