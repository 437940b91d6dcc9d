//! How sure a difference is: quantiles, and bootstrap intervals over paired seeds.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::chance::stream;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2_000;

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub mean: f64,
    /// 2.5 % quantile of the bootstrap.
    pub low: f64,
    /// 97.5 % quantile of the bootstrap.
    pub high: f64,
}

impl Interval {
    /// The mean of these values, one per seed, with the percentile bootstrap's interval.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        Self::of_statistic(values.len(), |picked| picked.iter().map(|&i| values[i]).sum::<f64>() / picked.len() as f64)
    }

    /// Any statistic of `count` seeds, given the seeds that were drawn.
    #[must_use]
    pub fn of_statistic(count: usize, statistic: impl Fn(&[usize]) -> f64) -> Self {
        if count == 0 {
            return Self::default();
        }
        let mut chance = stream(0x000b_0075, &[count as u64]);
        let mut picked: Vec<usize> = (0..count).collect();
        let mean = statistic(&picked);
        let mut found: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                picked.fill_with(|| chance.random_range(0..count));
                statistic(&picked)
            })
            .collect();
        found.sort_by(f64::total_cmp);
        Self { mean, low: quantile(&found, 0.025), high: quantile(&found, 0.975) }
    }

    /// Whether zero lies outside.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The quantile of sorted values, linear between neighbours; 0 of nothing.
#[must_use]
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = part.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}
