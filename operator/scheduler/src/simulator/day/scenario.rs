//! What a day is made of.

use serde::{Deserialize, Serialize};

use crate::simulator::{SimulateError, check};

/// Upload per leecher at which the levels of the laws are stated, bytes per second: the
/// trace's 2.25 GB/s over 50,000 leechers, 0.2 GB/s over 4,000.
pub(crate) const REFERENCE: f64 = 47_000.0;

/// How the laws' parameters differ between swarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean of the elasticity `a`.
    pub a_mean: f64,
    /// Standard deviation of `a`.
    pub a_sd: f64,
    /// Mean of `b`.
    pub b_mean: f64,
    /// Standard deviation of `b`.
    pub b_sd: f64,
    /// Median multiplier `D/S` of a swarm that has 47 kB/s of upload per leecher and `l = s + 1`.
    pub level_median: f64,
    /// Standard deviation of the logarithm of that multiplier.
    pub level_sd: f64,
    /// Median of seeders per leecher.
    pub seeds_median: f64,
    /// Standard deviation of the logarithm of seeders per leecher, between swarms.
    pub seeds_sd: f64,
}

impl Default for Spread {
    /// Near what the calibration to the paper's multipliers finds.
    fn default() -> Self {
        Self {
            a_mean: 0.5,
            a_sd: 0.12,
            b_mean: 0.7,
            b_sd: 0.05,
            level_median: 2.5,
            level_sd: 0.48,
            seeds_median: 0.5,
            seeds_sd: 0.6,
        }
    }
}

/// A day of swarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Swarms.
    pub swarms: usize,
    /// Periods, 288 of 5 minutes in a day.
    pub periods: usize,
    /// Every so manieth period is played; 1 plays all.
    pub stride: usize,
    /// Days on end.
    pub days: usize,
    /// Fewest and most leechers online.
    pub leechers: (f64, f64),
    /// Least and most upload there is to share, bytes per second.
    pub capacity: (f64, f64),
    /// Exponent of Zipf's law over the swarms' ranks.
    pub popularity: f64,
    /// Flash crowds in a day.
    pub flash_crowds: usize,
    /// Standard deviation of `ln l` around its expectation, correlated over about 50 minutes.
    pub churn: f64,
    /// The most one viewer's line takes, bytes per second.
    pub viewer_limit: f64,
    /// Standard deviation of `ln D` around the law in one period.
    pub noise: f64,
    /// Standard deviation of the step of `ln f` from period to period, mean-reverting over half a day.
    pub drift: f64,
    /// The parameters of the laws.
    pub spread: Spread,
}

impl Default for Day {
    /// The published marginals (Li et al., IEEE IWQoS 2012).
    fn default() -> Self {
        Self {
            swarms: 1457,
            periods: 288,
            stride: 1,
            days: 1,
            leechers: (4e3, 50e3),
            capacity: (0.2e9, 2.25e9),
            popularity: 0.85,
            flash_crowds: 12,
            churn: 0.15,
            viewer_limit: 1e6,
            noise: 0.03,
            drift: 0.0,
            spread: Spread::default(),
        }
    }
}

impl Day {
    /// Checks every field.
    ///
    /// # Errors
    /// [`SimulateError::Scenario`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), SimulateError> {
        check("swarms", self.swarms as f64, 1.0..=1e6, "from 1 to a million")?;
        check("periods", self.periods as f64, 1.0..=1e5, "from 1 to 100,000")?;
        check("stride", self.stride as f64, 1.0..=self.periods as f64, "from 1 to the number of periods")?;
        check("days", self.days as f64, 1.0..=1000.0, "from 1 to 1000")?;
        for (name, (low, high)) in [("leechers", self.leechers), ("capacity", self.capacity)] {
            check(name, low, 0.0..=1e15, "a finite number of at least 0")?;
            check(name, high, low..=1e15, "at least the lower end")?;
        }
        check("popularity", self.popularity, 0.0..=5.0, "from 0 to 5")?;
        check("churn", self.churn, 0.0..=3.0, "from 0 to 3")?;
        check("viewer_limit", self.viewer_limit, 1.0..=1e12, "from 1 to 10^12")?;
        check("noise", self.noise, 0.0..=3.0, "from 0 to 3")?;
        check("drift", self.drift, 0.0..=3.0, "from 0 to 3")?;
        let Spread { a_mean, a_sd, b_mean, b_sd, level_median, level_sd, seeds_median, seeds_sd } = self.spread;
        check("a_mean", a_mean, 0.05..=0.9, "from 0.05 to 0.9")?;
        check("b_mean", b_mean, 0.0..=2.0, "from 0 to 2")?;
        check("level_median", level_median, 1e-3..=1e3, "from 0.001 to 1000")?;
        check("seeds_median", seeds_median, 0.0..=1e3, "from 0 to 1000")?;
        for (name, sd) in [("a_sd", a_sd), ("b_sd", b_sd), ("level_sd", level_sd), ("seeds_sd", seeds_sd)] {
            check(name, sd, 0.0..=5.0, "from 0 to 5")?;
        }
        Ok(())
    }
}
