//! How noisy samples are, by how many reports they rest on, learned from how well they were foreseen.
//!
//! The variance starts in proportion to `1/reports`, on top of what the law itself errs by; then each class of
//! samples is measured.

use super::sample::Reports;

/// Classes of samples: 1 report, 2 to 3, 4 to 7, and so on up to 128 and more.
pub(crate) const CLASSES: usize = 8;
/// Variance of `ln D` with very many reports, at first (4 %), and how many reports double it.
const FIRST: f32 = 0.001_6;
const REPORTS: f32 = 10.0;
/// Least and most variance that is ever assumed.
const RANGE: (f32, f32) = (1e-5, 4.0);
/// Most by which missing reports widen the noise.
const MISSING: f32 = 10.0;
/// How fast the noise follows the residuals.
const RATE: f64 = 0.1;
/// What the mean of their squares is, clipped as they are at three standard deviations, when the noise is right.
const SQUARED: f64 = 0.98;
/// Imagined samples beside the real ones of a class.
const IMAGINED: f64 = 16.0;

/// Variances by class; several filters side by side.
pub(crate) type Noise<const N: usize> = [[f32; N]; CLASSES];

/// Sums of squared residuals of an update, each against its variance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Squares<const N: usize> {
    count: [f32; CLASSES],
    sum: [[f32; N]; CLASSES],
}

impl<const N: usize> Default for Squares<N> {
    fn default() -> Self {
        Self { count: [0.0; CLASSES], sum: [[0.0; N]; CLASSES] }
    }
}

/// The class of a sample, and by how much missing reports widen its noise.
pub(crate) fn class(reports: Reports) -> (usize, f32) {
    let class = reports.received.max(1).ilog2() as usize;
    let missing = reports.expected as f32 / reports.received.max(1) as f32;
    (class.min(CLASSES - 1), missing.clamp(1.0, MISSING))
}

/// What is assumed before anything was measured.
pub(crate) fn first<const N: usize>(times: f32) -> Noise<N> {
    let mut noise = [[0.0; N]; CLASSES];
    for (class, own) in noise.iter_mut().enumerate() {
        *own = [times * FIRST * (1.0 + REPORTS / (1_u32 << class) as f32); N];
    }
    noise
}

impl<const N: usize> Squares<N> {
    #[inline]
    pub(crate) fn add(&mut self, class: usize, squared: [f32; N]) {
        self.count[class] += 1.0;
        for n in 0..N {
            self.sum[class][n] += squared[n];
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for class in 0..CLASSES {
            self.count[class] += other.count[class];
            for n in 0..N {
                self.sum[class][n] += other.sum[class][n];
            }
        }
    }

    /// Moves the noise towards what was seen.
    pub(crate) fn teach(&self, noise: &mut Noise<N>) {
        for class in 0..CLASSES {
            let count = f64::from(self.count[class]);
            let rate = RATE * count / (count + IMAGINED);
            for n in 0..N {
                let seen = f64::from(self.sum[class][n]) / count.max(1.0);
                let factor = (rate * (seen - SQUARED)).exp() as f32;
                noise[class][n] = (noise[class][n] * factor).clamp(RANGE.0, RANGE.1);
            }
        }
    }
}
