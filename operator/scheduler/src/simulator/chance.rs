//! Random numbers by purpose: a stream of its own for every swarm and use, so that arms see
//! the same viewers whatever else was drawn, and threads need no order.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, Exp1, StandardNormal};

pub(crate) type Chance = Xoshiro256PlusPlus;

/// The stream of this seed and these keys.
pub(crate) fn stream(seed: u64, keys: &[u64]) -> Chance {
    let mixed = keys.iter().fold(split_mix(seed), |state, &key| split_mix(state ^ split_mix(key)));
    Chance::seed_from_u64(mixed)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const fn split_mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Standard normal.
pub(crate) fn normal(chance: &mut Chance) -> f64 {
    StandardNormal.sample(chance)
}

/// Exponential with mean 1.
pub(crate) fn exponential(chance: &mut Chance) -> f64 {
    Exp1.sample(chance)
}

/// Log-normal with mean 1 and this standard deviation of the logarithm.
pub(crate) fn log_normal(chance: &mut Chance, sd: f64) -> f64 {
    (sd * normal(chance) - 0.5 * sd * sd).exp()
}
