//! Pools to measure on: drawn from one seed, so that every run and every solver sees the same.

use videocloud_scheduler::model::{ClusterSet, Objective, PowerLaw, Swarm, SwarmLaw};
use videocloud_scheduler::solver::{Demand, Seat};
use videocloud_scheduler::units::Audience;

/// Splitmix64: small, and good enough to draw instances.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(1e-12, 1.0), self.uniform(0.0, 1.0));
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// Swarms of Zipf sizes, `leechers` in all, with the spread of parameters of the calibrated day.
pub fn swarms(count: usize, leechers: f64, seed: u64) -> Vec<Swarm> {
    let mut draw = Draw::new(seed);
    let sizes: Vec<f64> = (0..count).map(|rank| ((rank + 1) as f64).powf(-0.85)).collect();
    let scale = leechers / sizes.iter().sum::<f64>();
    let swarm = |size: f64| {
        let l = (size * scale).max(2.0);
        let audience = Audience::new(l * draw.uniform(0.1, 1.0), l).unwrap();
        let a = (0.5 + 0.1 * draw.normal()).clamp(PowerLaw::A_RANGE.0, PowerLaw::A_RANGE.1);
        let b = draw.uniform(0.05, 0.3);
        // About 70 KB/s a viewer at 30 KB/s of upload each.
        let ln_f = 70e3_f64.ln() - a * 30e3_f64.ln() + 0.5 * draw.normal();
        Swarm::new(audience, SwarmLaw::Power(PowerLaw::from_log(a, b, ln_f).unwrap()))
    };
    sizes.into_iter().map(swarm).collect()
}

/// What the swarms ask for under the paper's objective.
pub fn demands(swarms: &[Swarm]) -> Vec<Demand> {
    swarms.iter().map(|swarm| Demand::of(swarm, Objective::Multiplier, 0.0)).collect()
}

/// Each swarm can be served by one to four clusters near it.
pub fn seats(count: usize, clusters: usize, seed: u64) -> Vec<Seat> {
    let mut draw = Draw::new(seed);
    let seat = |_| {
        let home = draw.bits() as usize % clusters;
        let near = 1 + draw.bits() as usize % 4;
        Seat { clusters: (0..near).map(|k| (home + k * k) % clusters).collect::<ClusterSet>(), tenant: None }
    };
    (0..count).map(seat).collect()
}
