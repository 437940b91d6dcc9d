//! Random pools for the tests: a generator that can be seeded, and the same as a proptest strategy.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use videocloud_scheduler::model::{ClusterSet, Objective, PowerLaw, RegimeLaw, Swarm, SwarmLaw, TenantId};
use videocloud_scheduler::policy::Pool;
use videocloud_scheduler::solver::Supply;
use videocloud_scheduler::units::{Audience, BytesPerSecond, Weight};

pub fn rate(value: f64) -> BytesPerSecond {
    BytesPerSecond::new(value).unwrap()
}

/// Any swarm, lone viewers, idle swarms and the three-regime law included.
pub fn swarm(clusters: usize) -> impl Strategy<Value = Swarm> {
    let law = prop_oneof![
        4 => (0.05..0.9, 0.0..0.6, 0.0..6.0).prop_map(|(a, b, f)| {
            SwarmLaw::Power(PowerLaw::from_log(a, b, f).unwrap())
        }),
        1 => (1e3..3e5, 0.1..1.0, 1e5..1e6).prop_map(|(u, eta, d)| {
            SwarmLaw::Regimes(RegimeLaw::new(rate(u), eta, rate(d)).unwrap())
        }),
    ];
    let audience = prop_oneof![
        1 => Just((0.0, 0.0)),
        2 => Just((0.0, 1.0)),
        8 => (0.0..50.0, 0.5..2000.0),
    ];
    let some = |low: f64, high: f64| prop::option::weighted(0.3, low..high);
    (law, audience, some(0.1, 3.0), some(0.0, 1e5), some(0.0, 5e6), some(1e5, 1e6), 1..(1_u64 << clusters)).prop_map(
        |(law, (s, l), weight, floor, ceiling, limit, mask)| Swarm {
            weight: weight.map_or(Weight::ONE, |w| Weight::new(w).unwrap()),
            floor: floor.map(rate),
            ceiling: ceiling.map(rate),
            viewer_limit: limit.map(rate),
            clusters: (0..64).filter(|k| mask >> k & 1 == 1).collect::<ClusterSet>(),
            ..Swarm::new(Audience::new(s, l).unwrap(), law)
        },
    )
}

pub fn objective() -> impl Strategy<Value = Objective> {
    prop_oneof![
        Just(Objective::Multiplier),
        Just(Objective::Balanced),
        Just(Objective::Delay),
        (2e4..3e5).prop_map(|r| Objective::Target(rate(r))),
    ]
}

/// A pool with up to `most` swarms and up to 5 clusters, perhaps with tenants.
pub fn pool(most: usize) -> impl Strategy<Value = Pool> {
    (1_usize..=5).prop_flat_map(move |clusters| {
        let capacities = prop::collection::vec(prop_oneof![1 => Just(0.0), 6 => 1.0..2e7], clusters);
        let total = prop::option::weighted(0.3, 1.0..5e7);
        let shares = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(0.0..1.0, 1..4)];
        let swarms = prop::collection::vec((swarm(clusters), 0_u32..8), 1..=most);
        (capacities, total, shares, swarms, prop_oneof![3 => Just(0.0), 1 => 0.0..3.0]).prop_map(
            |(capacities, total, shares, swarms, min_marginal)| {
                let tenants = shares.len() as u32;
                let capacities = capacities.into_iter().map(rate).collect();
                let place = |(swarm, tenant)| Swarm { tenant: (tenant < tenants).then_some(TenantId(tenant)), ..swarm };
                let supply = Supply::clusters(capacities, total.map(rate)).unwrap();
                Pool {
                    swarms: swarms.into_iter().map(place).collect(),
                    supply: supply.with_shares(shares).unwrap(),
                    min_marginal,
                }
            },
        )
    })
}

/// One cluster, no tenants.
pub fn plain_pool(most: usize) -> impl Strategy<Value = Pool> {
    (1.0..5e8_f64, prop::collection::vec(swarm(1), 1..=most)).prop_map(|(capacity, swarms)| Pool {
        swarms,
        supply: Supply::pool(rate(capacity)),
        min_marginal: 0.0,
    })
}
