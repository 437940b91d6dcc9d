//! The power law as a straight line: `ln(D/l) = a ln(S/l) - b ln(l/(s+1)) + ln f`.

use super::noise;
use super::sample::Sample;

/// `ln(S/l)` is counted from 20 kB/s a viewer: far from zero, slope and level could not be told apart.
pub(crate) const CENTRE: f64 = 9.903_487_552_536_127;

/// A sample in the logarithms in which the law is linear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// `ln(S/l)`, from [`CENTRE`].
    pub(crate) x: f32,
    /// `ln(l/(s+1))`.
    pub(crate) z: f32,
    /// `ln(D/l)`.
    pub(crate) y: f32,
    /// Class of its noise, see [`super::noise`], and by how much missing reports widen it.
    pub(crate) class: usize,
    pub(crate) widen: f32,
}

impl Point {
    /// The sample as a point, or `None` when a logarithm would not be finite.
    pub(crate) fn of(sample: &Sample) -> Option<Self> {
        let (leechers, seeders) = (sample.audience.leechers.get(), sample.audience.seeders.get());
        let ln_leechers = leechers.ln();
        let x = sample.upload.get().ln() - ln_leechers - CENTRE;
        let z = ln_leechers - seeders.ln_1p();
        let y = sample.download.get().ln() - ln_leechers;
        let (class, widen) = noise::class(sample.reports);
        let point = Self { x: x as f32, z: z as f32, y: y as f32, class, widen };
        (point.x.is_finite() && point.z.is_finite() && point.y.is_finite()).then_some(point)
    }
}
