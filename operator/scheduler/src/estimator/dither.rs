//! Exploration: rates moved a little off the optimum, in pairs that cancel, to learn `a` from.
//!
//! In closed loop upload follows the audience, and nothing tells `a` from the rest but moves of one's
//! own. Two swarms of one price and one seat (clusters and tenant) trade up to a tenth of the
//! smaller rate: no sum over any cluster, tenant or block changes by a grain.

use std::collections::HashMap;

use crate::solver::{Demand, Seat, Solution};

/// How far a rate is moved: its logarithm by about this much.
pub const AMPLITUDE: f64 = 0.1;

/// Moves the rates of a solution in pairs, by up to [`AMPLITUDE`]; who was moved, by swarm.
///
/// Floors, ceilings and capacities hold as before, and the rates stay multiples of the grain. The
/// same solution, seed and interval give the same moves; intervals come in twos, in which a
/// pair of unchanged rates moves one way and then back.
pub fn dither(
    solution: &mut Solution,
    demands: &[Demand],
    seats: &[Seat],
    amplitude: f64,
    (seed, interval): (u64, u64),
) -> Vec<bool> {
    let amplitude = if amplitude > 0.0 { amplitude.min(0.5) } else { 0.0 };
    let count = solution.rates.len().min(demands.len()).min(seats.len());
    let mut moved = vec![false; solution.rates.len()];
    let mut groups: HashMap<(u32, Seat), Vec<usize>> = HashMap::new();
    for swarm in 0..count {
        let (rate, demand) = (solution.rates[swarm], &demands[swarm]);
        // A clipped swarm has no room on one side, a full one no use for more.
        if rate > demand.lo && rate < demand.hi {
            groups.entry((solution.block_of[swarm], seats[swarm])).or_default().push(swarm);
        }
    }
    for swarms in groups.values_mut() {
        // Neighbours in size lose and win by about the same part of themselves.
        swarms.sort_unstable_by(|&x, &y| solution.rates[x].total_cmp(&solution.rates[y]).then(x.cmp(&y)));
        for pair in swarms.chunks_exact(2) {
            let draw = mix(seed ^ mix(interval / 2) ^ mix(pair[0] as u64 + 1).rotate_left(17));
            let swap = (draw & 1 == 1) != (interval & 1 == 1);
            let (up, down) = if swap { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
            let (rise, fall) = (amplitude.exp_m1(), -(-amplitude).exp_m1());
            let most = (solution.rates[up] * rise).min(solution.rates[down] * fall);
            let room = (demands[up].hi - solution.rates[up]).min(solution.rates[down] - demands[down].lo);
            let step = solution.quantum.down(most.min(room));
            if step > 0.0 {
                solution.rates[up] += step;
                solution.rates[down] -= step;
                (moved[up], moved[down]) = (true, true);
            }
        }
    }
    moved
}

/// `SplitMix64`'s finisher (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ClusterSet, TenantId};
    use crate::solver::{Problem, Supply};
    use crate::units::BytesPerSecond;

    fn problem() -> impl Strategy<Value = (Vec<Demand>, Vec<Seat>, Supply)> {
        let demand = (0.0..8.0_f64, 1.0..8.0_f64, 0.0..2e5_f64, 0.0..2e6_f64).prop_map(|(offset, slope, lo, more)| {
            Demand { shape: crate::solver::Shape::Power { offset, slope }, lo, hi: lo + more }
        });
        let seat = (1_u64..8, 0_u32..3).prop_map(|(mask, tenant)| Seat {
            clusters: (0..3).filter(|k| mask >> k & 1 == 1).collect::<ClusterSet>(),
            tenant: (tenant < 2).then_some(TenantId(tenant)),
        });
        (prop::collection::vec((demand, seat), 1..40), prop::collection::vec(0.0..5e6_f64, 3)).prop_map(
            |(both, capacities)| {
                let (demands, seats) = both.into_iter().unzip();
                let capacities = capacities.into_iter().map(BytesPerSecond::clamped).collect();
                let supply = Supply::clusters(capacities, None).and_then(|s| s.with_shares(vec![0.5, 0.4]));
                (demands, seats, supply.unwrap_or_else(|_| Supply::pool(BytesPerSecond::ZERO)))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn cancels_within_every_block_and_seat((demands, seats, supply) in problem(), seed: u64, interval: u64) {
            let Ok(problem) = Problem::new(demands.clone(), &seats, supply) else { return Ok(()) };
            let before = problem.solve(None);
            let mut after = before.clone();
            let moved = dither(&mut after, &demands, &seats, AMPLITUDE, (seed, interval));
            let mut sums: HashMap<(u32, Seat), (f64, f64)> = HashMap::new();
            for i in 0..demands.len() {
                let (old, new) = (before.rates[i], after.rates[i]);
                prop_assert_eq!(moved[i], old != new);
                prop_assert_eq!(new, before.quantum.down(new));
                if moved[i] {
                    prop_assert!(new >= demands[i].lo && new <= demands[i].hi);
                    prop_assert!((new / old).ln().abs() <= AMPLITUDE * (1.0 + 1e-9), "{} to {}", old, new);
                }
                let sum = sums.entry((before.block_of[i], seats[i])).or_default();
                *sum = (sum.0 + old, sum.1 + new);
            }
            for (old, new) in sums.values() {
                prop_assert_eq!(old, new);
            }
            let mut again = before.clone();
            prop_assert_eq!(&moved, &dither(&mut again, &demands, &seats, AMPLITUDE, (seed, interval)));
            prop_assert_eq!(again.rates, after.rates);
        }
    }

    #[test]
    fn unchanged_rates_move_there_and_back() {
        let demand = Demand::proportional(1.0, 0.0, 1e9);
        let demands = vec![demand; 20];
        let seats = vec![Seat::ANY; 20];
        let supply = Supply::pool(BytesPerSecond::clamped(2e6));
        let problem = Problem::new(demands.clone(), &seats, supply).unwrap_or_else(|error| panic!("{error}"));
        let before = problem.solve(None);
        let (mut there, mut back) = (before.clone(), before.clone());
        let moved = dither(&mut there, &demands, &seats, AMPLITUDE, (7, 10));
        dither(&mut back, &demands, &seats, AMPLITUDE, (7, 11));
        assert_eq!(moved.iter().filter(|&&m| m).count(), 20);
        for i in 0..20 {
            let (up, down) = (there.rates[i] - before.rates[i], back.rates[i] - before.rates[i]);
            assert_eq!(up, -down, "swarm {i}");
            assert!(up.abs() > 0.09 * before.rates[i], "swarm {i} moved by {up} of {}", before.rates[i]);
        }
    }
}
