//! Recursive least squares with forgetting: what the paper's fit becomes when it is run forward.
//!
//! Kept to compare with. It winds up in closed loop: at the optimum the regressors are collinear, old
//! knowledge of `a` is forgotten and no new one comes in.

use super::bank::Summary;
use super::estimate::Estimator;
use super::line::{CENTRE, Point};
use super::sample::{Lesson, Sample, SwarmId};
use crate::model::{PowerLaw, SwarmLaw};

/// What is left of a sample's weight after the next; half a day at 5-minute intervals.
const FORGETTING: f64 = 0.98;
/// `a`, `b`, level, and the variances it starts from.
const START: [f64; 3] = [0.5, 0.2, 10.78];
const VARIANCE: f64 = 1.0;

/// One swarm: states and inverse information, in units of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Recursion {
    theta: [f64; 3],
    p: [[f64; 3]; 3],
}

/// Recursive least squares of many swarms, each alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Recursive {
    swarms: Vec<Recursion>,
}

impl Recursive {
    /// For `count` swarms, numbered from 0.
    #[must_use]
    pub fn with_swarms(count: u32) -> Self {
        let mut p = [[0.0; 3]; 3];
        (0..3).for_each(|i| p[i][i] = VARIANCE);
        Self { swarms: vec![Recursion { theta: START, p }; count as usize] }
    }

    /// Trace of a swarm's covariance, which grows without bound where it winds up.
    #[must_use]
    pub fn trace(&self, swarm: SwarmId) -> Option<f64> {
        self.swarms.get(swarm.0 as usize).map(|own| (0..3).map(|i| own.p[i][i]).sum())
    }
}

impl Recursion {
    fn take(&mut self, point: Point) {
        let h = [f64::from(point.x), -f64::from(point.z), 1.0];
        let dot = |row: &[f64; 3]| row.iter().zip(&h).map(|(p, h)| p * h).sum::<f64>();
        let gain = [dot(&self.p[0]), dot(&self.p[1]), dot(&self.p[2])];
        let total = FORGETTING + dot(&gain);
        let residual = f64::from(point.y) - dot(&self.theta);
        for i in 0..3 {
            self.theta[i] += gain[i] / total * residual;
            for j in 0..3 {
                self.p[i][j] = (self.p[i][j] - gain[i] * gain[j] / total) / FORGETTING;
            }
        }
    }
}

impl Estimator for Recursive {
    fn update(&mut self, samples: &[Sample]) -> Summary {
        let mut summary = Summary::default();
        for sample in samples {
            let Some(own) = self.swarms.get_mut(sample.swarm.0 as usize) else {
                summary.unknown += 1;
                continue;
            };
            let point = if sample.lesson() == Lesson::Law { Point::of(sample) } else { None };
            match point {
                Some(point) => {
                    own.take(point);
                    summary.fitted += 1;
                }
                None => summary.empty += 1,
            }
        }
        summary
    }

    fn law(&self, swarm: SwarmId) -> Option<SwarmLaw> {
        let [a, b, level] = self.swarms.get(swarm.0 as usize)?.theta;
        let a = a.clamp(PowerLaw::A_RANGE.0, PowerLaw::A_RANGE.1);
        PowerLaw::from_log(a, b.max(0.0), level - a * CENTRE).ok().map(SwarmLaw::Power)
    }
}
