//! Which law a swarm is held to follow, and the most its viewers take.

use super::filter::State;
use super::sample::Sample;

/// What is left of the evidence for a law after the next sample.
const DISCOUNT: f32 = 0.98;
/// Evidence, in nats, at which the other law is taken; below it the present one is kept.
const HYSTERESIS: f32 = 6.0;
/// Bound of the evidence, so that it never takes more than a few hours to change one's mind.
const MOST: f32 = 50.0;
/// How fast `ln d_max` follows samples in which viewers had enough.
const DEMAND_RATE: f32 = 0.2;
/// A viewer within this of the limit, in `ln D`, is at it, and by this much it is then lifted.
const NEAR: f32 = 0.1;
const PROBE: f32 = 0.03;

impl State {
    /// Weighs the two laws by how likely each found the sample.
    pub(crate) fn weigh(&mut self, power: f32, regimes: f32) {
        let evidence = DISCOUNT * self.evidence + (regimes - power);
        self.evidence = if evidence.is_finite() { evidence.clamp(-MOST, MOST) } else { 0.0 };
        if self.evidence > HYSTERESIS {
            self.marks.prefer_regimes(true);
        } else if self.evidence < -HYSTERESIS {
            self.marks.prefer_regimes(false);
        }
    }

    /// Learns `d_max`: it is what viewers took when they had enough, and never less than what they got.
    pub(crate) fn note_demand(&mut self, sample: &Sample) {
        let each = sample.download_each().ln() as f32;
        if !each.is_finite() {
            return;
        }
        if sample.is_demand_limited() && !sample.flags.borrowed {
            let step = if self.demand.is_finite() { DEMAND_RATE * (each - self.demand) } else { 0.0 };
            self.demand = if self.demand.is_finite() { self.demand + step } else { each };
        } else if each > self.demand - NEAR {
            // All that was given was used, right at the limit: viewers may take more, and a limit that was
            // learned too low would otherwise keep the proof away. Noise alone lifts it slowly.
            self.demand += (DEMAND_RATE * (each - self.demand)).max(PROBE);
        }
    }
}
