//! What must hold of every solution, on random pools.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use proptest::prelude::*;
use support::{objective, plain_pool, pool, rate};
use videocloud_scheduler::model::{ClusterSet, Objective, PowerLaw, RegimeLaw, Swarm, SwarmLaw};
use videocloud_scheduler::policy::{
    Allocation, FreeCompetitive, InjectionFirst, Optimal, Policy, Pool, Proportional, Ration,
};
use videocloud_scheduler::solver::{Costs, Placement, Supply, split};
use videocloud_scheduler::units::Audience;
use videocloud_scheduler::units::BytesPerSecond;

fn solve(pool: &Pool, objective: Objective) -> Allocation {
    Optimal { objective }.allocate(pool, None).unwrap()
}

/// Every set of clusters and every tenant's ports carry what is put on them: checked by
/// actually splitting, to the last grain.
fn assert_feasible(pool: &Pool, found: &Allocation) {
    let rates = &found.solution.rates;
    let total: f64 = rates.iter().sum();
    assert!(total <= pool.supply.total().get(), "{total} above {}", pool.supply.total());
    let backwards: f64 = rates.iter().rev().sum();
    assert_eq!(total, backwards, "the sum depends on the order");
    let anywhere = vec![Placement::ANYWHERE; rates.len()];
    let parts = split(&found.solution, &pool.seats(), &anywhere, &Costs::default(), &pool.supply);
    let mut by_swarm = vec![0.0; rates.len()];
    let mut by_cluster = vec![0.0; pool.supply.capacities().len()];
    let shares = pool.supply.shares();
    let mut by_port = vec![vec![0.0; by_cluster.len()]; shares.len()];
    for part in &parts {
        let swarm = &pool.swarms[part.swarm as usize];
        assert!(swarm.clusters.has(part.cluster as usize), "served by a cluster outside its mask");
        by_swarm[part.swarm as usize] += part.rate;
        by_cluster[part.cluster as usize] += part.rate;
        if let Some(tenant) = swarm.tenant {
            by_port[tenant.0 as usize][part.cluster as usize] += part.rate;
        }
    }
    let grain = found.solution.quantum.get();
    for (swarm, (&placed, &rate)) in by_swarm.iter().zip(rates).enumerate() {
        assert!((placed - rate).abs() <= 64.0 * grain, "swarm {swarm}: {placed} of {rate} placed");
    }
    for (k, capacity) in pool.supply.capacities().iter().enumerate() {
        assert!(by_cluster[k] <= capacity.get(), "cluster {k}: {} above {capacity}", by_cluster[k]);
        for (tenant, share) in shares.iter().enumerate() {
            assert!(by_port[tenant][k] <= share * capacity.get(), "tenant {tenant} in cluster {k}");
        }
    }
}

fn assert_within_limits(pool: &Pool, found: &Allocation) {
    let scaled: Vec<usize> = found.solution.scaled.iter().map(|s| s.swarm).collect();
    for (i, (demand, &rate)) in found.demands().iter().zip(&found.solution.rates).enumerate() {
        let grain = found.solution.quantum.get();
        assert!(rate <= demand.hi, "swarm {i}: {rate} above its ceiling {}", demand.hi);
        assert!(rate >= 0.0);
        let floor = demand.lo * (1.0 - 2e-9) - grain;
        assert!(scaled.contains(&i) || rate >= floor, "swarm {i}: {rate} below its floor {}", demand.lo);
    }
    assert_eq!(found.solution.rates.len(), pool.swarms.len());
}

/// Where a three-regime law has slope 1 it ties with lone viewers, and any share is optimal.
fn with_power_laws(mut pool: Pool) -> Pool {
    for swarm in &mut pool.swarms {
        if !matches!(swarm.law, SwarmLaw::Power(_)) {
            swarm.law = SwarmLaw::Power(PowerLaw::new(0.5, 0.1, 3.0).unwrap());
        }
    }
    pool
}

#[test]
fn steep_prices_still_spend_the_capacity() {
    let law = RegimeLaw::new(rate(1000.0), 0.1, rate(100_000.0)).unwrap();
    let swarms = vec![
        Swarm::new(Audience::new(0.0, 1367.1).unwrap(), SwarmLaw::Power(PowerLaw::new(0.05, 0.0, 1.0).unwrap())),
        Swarm::new(Audience::new(0.0, 1853.9).unwrap(), SwarmLaw::Regimes(law)),
    ];
    let pool = Pool { swarms, supply: Supply::pool(rate(10_630_381.5)), min_marginal: 0.0 };
    let found = solve(&pool, Objective::Multiplier);
    let spent: f64 = found.solution.rates.iter().sum();
    assert!(spent >= 10_630_381.5 * (1.0 - 1e-10), "{:?}", found.solution);
}

#[test]
fn steep_prices_are_found_from_either_side() {
    let law = RegimeLaw::new(rate(1000.0), 0.1, rate(100_000.0)).unwrap();
    let flat = PowerLaw::new(0.05, 0.0, 1.0).unwrap();
    let swarms = vec![
        Swarm::new(Audience::new(0.0, 530.8566224324269).unwrap(), SwarmLaw::Regimes(law)),
        Swarm::new(Audience::new(0.0, 252.0542434500983).unwrap(), SwarmLaw::Power(flat)),
    ];
    let pool = Pool { swarms, supply: Supply::pool(rate(17_452_726.708634924)), min_marginal: 0.0 };
    let found = solve(&pool, Objective::Multiplier);
    assert!(found.marginal_deviation() <= 1e-6, "{:?}", found.solution);
    assert!(found.solution.passes < 200.0, "{:?}", found.solution);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn feasible_and_optimal(pool in pool(24), objective in objective()) {
        let found = solve(&pool, objective);
        assert_feasible(&pool, &found);
        assert_within_limits(&pool, &found);
        let gap = found.certificate().relative;
        prop_assert!(gap <= 1e-9, "duality gap {gap:e}: {:?}", found.certificate());
        prop_assert!(found.marginal_deviation() <= 1e-6, "{}", found.marginal_deviation());
    }

    #[test]
    fn every_policy_is_feasible(pool in pool(24)) {
        let policies: [&dyn Policy; 4] =
            [&FreeCompetitive, &Proportional, &Ration::default(), &InjectionFirst];
        for policy in policies {
            let found = policy.allocate(&pool, None).unwrap();
            assert_feasible(&pool, &found);
            assert_within_limits(&pool, &found);
        }
    }

    #[test]
    fn more_capacity_takes_from_nobody(pool in plain_pool(24), more in 1.0..3.0_f64, objective in objective()) {
        let pool = with_power_laws(pool);
        let less = solve(&pool, objective);
        let capacity = rate(pool.supply.total().get() * more);
        let grown = solve(&Pool { supply: Supply::pool(capacity), ..pool }, objective);
        // The part of the capacity that is left unspent is dust to everybody.
        let dust = 1e-11 * capacity.get();
        for (i, (&a, &b)) in less.solution.rates.iter().zip(&grown.solution.rates).enumerate() {
            prop_assert!(b >= a * (1.0 - 1e-9) - dust, "swarm {i} fell from {a} to {b}");
        }
    }

    #[test]
    fn order_does_not_matter(pool in pool(24), objective in objective(), seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..pool.swarms.len()).collect();
        order.sort_by_key(|&i| (i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let shuffled = Pool { swarms: order.iter().map(|&i| pool.swarms[i].clone()).collect(), ..pool.clone() };
        let (one, two) = (solve(&pool, objective), solve(&shuffled, objective));
        let scale = pool.supply.total().get();
        for (new, &old) in order.iter().enumerate() {
            let (a, b) = (one.solution.rates[old], two.solution.rates[new]);
            prop_assert!((a - b).abs() <= 1e-8 * scale.max(a), "{a} {b}");
        }
    }

    #[test]
    fn units_do_not_matter(pool in plain_pool(24), power in -8_i32..8) {
        // A power of two, so that the problems are the same to the last bit of their capacity.
        let k = 2.0_f64.powi(power);
        let pool = with_power_laws(pool);
        let grow = |k: f64| pool.swarms.iter().map(|s| {
            let times = |r: BytesPerSecond| rate(r.get() * k);
            let SwarmLaw::Power(law) = s.law else { panic!("another law") };
            let law = PowerLaw::from_log(law.a(), law.b(), law.ln_f() + (1.0 - law.a()) * k.ln()).unwrap();
            Swarm {
                law: SwarmLaw::Power(law),
                floor: Some(times(s.floor.unwrap_or_default())),
                ceiling: s.ceiling.map(times),
                viewer_limit: s.viewer_limit.map(times),
                ..s.clone()
            }
        }).collect::<Vec<_>>();
        let base = Pool { swarms: grow(1.0), ..pool.clone() };
        let scaled = Pool { swarms: grow(k), supply: Supply::pool(rate(pool.supply.total().get() * k)), min_marginal: 0.0 };
        let (one, two) = (solve(&base, Objective::Multiplier), solve(&scaled, Objective::Multiplier));
        let all = pool.supply.total().get();
        for (a, b) in one.solution.rates.iter().zip(&two.solution.rates) {
            prop_assert!((a * k - b).abs() <= 1e-8 * all * k, "{a} times {k} is not {b}");
        }
    }

    #[test]
    fn solving_again_changes_nothing(pool in pool(24), objective in objective()) {
        let policy = Optimal { objective };
        let first = policy.allocate(&pool, None).unwrap();
        prop_assert_eq!(&first.solution.rates, &policy.allocate(&pool, None).unwrap().solution.rates);
        // From the last price, and with the answer as the ceilings: the same to rounding.
        let warm = policy.allocate(&pool, Some(first.solution.warm)).unwrap();
        let capped = first.solution.rates.iter().zip(&pool.swarms).map(|(&r, s)| Swarm {
            ceiling: Some(rate(r)), ..s.clone()
        });
        let again = policy.allocate(&Pool { swarms: capped.collect(), ..pool.clone() }, None).unwrap();
        let scale = pool.supply.total().get();
        for ((a, b), c) in first.solution.rates.iter().zip(&warm.solution.rates).zip(&again.solution.rates) {
            prop_assert!((a - b).abs() <= 1e-8 * scale, "warm start: {a} {b}");
            prop_assert!((a - c).abs() <= 1e-8 * scale, "own answer as ceiling: {a} {c}");
        }
    }
}

#[test]
fn the_mask_of_nobody_is_refused_by_name() {
    let audience = Audience::new(1.0, 5.0).unwrap();
    let law = PowerLaw::new(0.5, 0.1, 3.0).unwrap();
    let mut swarm = Swarm::new(audience, SwarmLaw::Power(law));
    swarm.clusters = ClusterSet::NONE;
    let pool = Pool { swarms: vec![swarm], supply: Supply::pool(rate(1e6)), min_marginal: 0.0 };
    let error = Optimal::default().allocate(&pool, None).unwrap_err().to_string();
    assert_eq!(error, "failed to place swarm 0: none of the pool's 1 clusters can serve it");
}
