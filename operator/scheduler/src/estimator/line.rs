//! The power law as a straight line: `ln(D/l) = a ln(S/l) - b ln(l/(s+1)) + ln f`.

use super::sample::Sample;

/// `ln(S/l)` is counted from 20 kB/s a viewer: far from zero, slope and level could not be told apart.
pub(crate) const CENTRE: f64 = 9.903_487_552_536_127;

/// More reports than this make a sample no better: the law itself is not truer.
const REPORTS: f64 = 10.0;

/// Most by which missing reports widen the noise.
const MISSING: f64 = 10.0;

/// A sample in the logarithms in which the law is linear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// `ln(S/l)`, from [`CENTRE`].
    pub(crate) x: f32,
    /// `ln(l/(s+1))`.
    pub(crate) z: f32,
    /// `ln(D/l)`.
    pub(crate) y: f32,
    /// Variance of the noise against that of a sample with very many reports.
    pub(crate) noise: f32,
}

impl Point {
    /// The sample as a point, or `None` when a logarithm would not be finite.
    pub(crate) fn of(sample: &Sample) -> Option<Self> {
        let (leechers, seeders) = (sample.audience.leechers.get(), sample.audience.seeders.get());
        let ln_leechers = leechers.ln();
        let x = sample.upload.get().ln() - ln_leechers - CENTRE;
        let z = ln_leechers - seeders.ln_1p();
        let y = sample.download.get().ln() - ln_leechers;
        let received = f64::from(sample.reports.received.max(1));
        let missing = (f64::from(sample.reports.expected) / received).clamp(1.0, MISSING);
        let noise = (1.0 + REPORTS / received) * missing;
        let point = Self { x: x as f32, z: z as f32, y: y as f32, noise: noise as f32 };
        (point.x.is_finite() && point.z.is_finite() && point.y.is_finite()).then_some(point)
    }
}
