//! Feedback of the target objective: what a law promised against what viewers got.
//!
//! The least upload that keeps every viewer at a rate is the inverse of a law, and laws err. A slow
//! integral on the measured rate corrects the need. Pure: a sample in, a factor out.

use serde::{Deserialize, Serialize};

use super::sample::{Lesson, Sample};
use crate::units::BytesPerSecond;

/// Share of the logarithmic miss that one interval corrects. Samples are one interval old, so it is slow.
const GAIN: f64 = 0.15;
/// The miss counts up to this much: an outage must not drive the need away.
const MISS: f64 = 0.5;
/// Range of the correction.
const RANGE: (f64, f64) = (0.2, 5.0);
/// What is left of the correction after an interval that taught nothing.
const FADE: f64 = 0.98;
/// An allocation below this part of the need was cut by shortage: no fault of the law's.
const GRANTED: f64 = 0.98;

/// What is remembered of one swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetFeedback {
    ln_correction: f64,
}

impl TargetFeedback {
    /// Takes in an interval of a swarm that was meant to be kept at `target`; `need` is the upload
    /// it was said to need, before the pool's limits.
    pub fn update(&mut self, sample: &Sample, target: BytesPerSecond, need: BytesPerSecond) {
        if sample.lesson() == Lesson::Nothing || target == BytesPerSecond::ZERO {
            self.ln_correction *= FADE;
            return;
        }
        let miss = (target.get() / sample.download_each()).ln().clamp(-MISS, MISS);
        let short = sample.allocated.get() < GRANTED * need.get();
        let unused = sample.is_demand_limited();
        // Too little for lack of capacity, or because viewers wanted no more: raising the need would wind up.
        if miss > 0.0 && (short || unused) || sample.flags.borrowed {
            return;
        }
        self.ln_correction = (self.ln_correction + GAIN * miss).clamp(RANGE.0.ln(), RANGE.1.ln());
    }

    /// By how much the law's need is to be multiplied.
    #[must_use]
    pub fn correction(&self) -> f64 {
        self.ln_correction.exp()
    }

    /// Whether it is one that can have been learned: what was read back may be anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (RANGE.0.ln()..=RANGE.1.ln()).contains(&self.ln_correction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::SwarmId;
    use crate::model::{Law, PowerLaw, Swarm, SwarmLaw};
    use crate::units::Audience;

    const TARGET: BytesPerSecond = BytesPerSecond::clamped(100_000.0);

    fn audience() -> Audience {
        Audience::new(3.0, 40.0).unwrap_or_default()
    }

    fn law(ln_f: f64) -> PowerLaw {
        PowerLaw::from_log(0.5, 0.2, ln_f).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Follows the feedback against a true law while the scheduler believes another.
    fn follow(truth: PowerLaw, believed: PowerLaw, capacity: f64) -> (TargetFeedback, f64, f64) {
        let mut feedback = TargetFeedback::default();
        let mut swarm = Swarm::new(audience(), SwarmLaw::Power(believed));
        let (mut each, mut upload) = (0.0, 0.0);
        for interval in 0..120 {
            let need = BytesPerSecond::clamped(swarm.need(TARGET));
            let given = BytesPerSecond::clamped(need.get().min(capacity));
            let download = truth.download(audience(), given);
            let sample = Sample::new(SwarmId(0), interval, given, download, audience());
            feedback.update(&sample, TARGET, need);
            swarm.correction = feedback.correction();
            (each, upload) = (sample.download_each(), given.get());
        }
        (feedback, each, upload)
    }

    #[test]
    fn a_wrong_level_is_corrected_both_ways() {
        for wrong in [-0.4, 0.0, 0.4] {
            let (_, each, upload) = follow(law(6.3), law(6.3 + wrong), f64::INFINITY);
            assert!((each / TARGET.get() - 1.0).abs() < 0.005, "believed {wrong} off: {each} bytes/s each");
            let least = law(6.3).upload_for(audience(), BytesPerSecond::clamped(40.0 * TARGET.get()));
            let least = least.map_or(0.0, BytesPerSecond::get);
            assert!((upload / least - 1.0).abs() < 0.01, "{upload} where {least} would do");
        }
    }

    #[test]
    fn shortage_does_not_wind_it_up() {
        let (feedback, each, _) = follow(law(6.3), law(6.3), 300_000.0);
        assert!(each < 0.9 * TARGET.get());
        assert!((feedback.correction() - 1.0).abs() < 1e-9, "{}", feedback.correction());
    }
}
