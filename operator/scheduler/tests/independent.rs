//! The solver against an independent one, an interior-point method that knows nothing of prices, on random instances
//! with several clusters, masks, floors, ceilings, weights and every objective.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/conic.rs"]
mod conic;

use std::cell::Cell;

use conic::Instance;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use videocloud_scheduler::model::ClusterSet;
use videocloud_scheduler::solver::{Certificate, Demand, Problem, Seat, Shape, Supply};
use videocloud_scheduler::units::BytesPerSecond;

/// Relative difference of utilities that an interior-point method reaches with certainty.
const AGREEMENT: f64 = 2e-6;

/// Random instances.
const CASES: u32 = 4000;

/// A demand of one alpha: slopes above 1 are the multiplier's, 1 the logarithm's, below 1 those of delay.
fn demand(alpha: f64) -> impl Strategy<Value = Demand> {
    let some = |low: f64, high: f64| prop::option::weighted(0.4, low..high);
    (0.1..0.85, 1.0..1e3_f64, -1.0..1.0_f64, 0.1..3.0_f64, some(0.0, 3e4), some(1e3, 3e5)).prop_map(
        move |(a, leechers, level, weight, floor, ceiling)| {
            let slope = 1.0 / (1.0 - a * (1.0 - alpha));
            // A marginal utility near 1 at 30 kB/s for each viewer, times the weight.
            let offset = slope * (weight.ln() + level) + (30e3 * leechers).ln();
            let hi = ceiling.map_or(f64::INFINITY, |c| c * leechers.sqrt());
            let lo = floor.unwrap_or(0.0).min(hi);
            Demand { shape: Shape::Power { offset, slope }, lo, hi }
        },
    )
}

fn instance() -> impl Strategy<Value = Instance> {
    (1_usize..=5, 1_usize..=14, prop_oneof![2 => Just(0.0), 1 => Just(1.0), 1 => Just(2.0)]).prop_flat_map(
        |(clusters, swarms, alpha)| {
            let capacities = prop::collection::vec(3e5..1e8_f64, clusters);
            let masks = prop::collection::vec(
                prop::sample::subsequence((0..clusters).collect::<Vec<_>>(), 1..=clusters),
                swarms,
            );
            (prop::collection::vec(demand(alpha), swarms), masks, capacities, prop::option::weighted(0.3, 0.3..1.0_f64))
                .prop_map(|(demands, masks, capacities, cap)| {
                    let sum: f64 = capacities.iter().sum();
                    let total = cap.map_or(sum, |part| part * sum);
                    let demands = demands.into_iter().map(|d| Demand { hi: d.hi.min(total), lo: d.lo.min(total), ..d });
                    Instance { demands: demands.collect(), masks, capacities, total }
                })
        },
    )
}

fn utility(demands: &[Demand], rates: &[f64]) -> f64 {
    demands.iter().zip(rates).filter(|(d, _)| d.lo < d.hi).map(|(d, &rate)| d.utility(rate.max(1e-3))).sum()
}

#[test]
fn agrees_with_an_interior_point_method() {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let compared = Cell::new(0);
    TestRunner::new(config)
        .run(&instance(), |instance| {
            compared.set(compared.get() + u32::from(compare(&instance)?));
            Ok(())
        })
        .unwrap();
    // Floors that do not fit are left out, and now and then the other solver gives up.
    assert!(compared.get() >= CASES * 2 / 3, "only {} of {CASES} instances were compared", compared.get());
}

/// Compares the utilities; whether there was something to compare.
fn compare(instance: &Instance) -> Result<bool, TestCaseError> {
    let capacities = instance.capacities.iter().map(|&c| BytesPerSecond::new(c).unwrap()).collect();
    let total = BytesPerSecond::new(instance.total).unwrap();
    let supply = Supply::clusters(capacities, Some(total)).unwrap();
    let seat = |mask: &Vec<usize>| Seat { clusters: mask.iter().copied().collect::<ClusterSet>(), tenant: None };
    let seats: Vec<Seat> = instance.masks.iter().map(seat).collect();
    let problem = Problem::new(instance.demands.clone(), &seats, supply).unwrap();
    let solution = problem.solve(None);
    let certificate = Certificate::of(&problem, &solution);
    prop_assert!(certificate.relative <= 1e-9, "{certificate:?}");
    let theirs = conic::solve(instance).filter(|_| solution.scaled.is_empty());
    let Some(theirs) = theirs else { return Ok(false) };
    let (ours, other) = (utility(&instance.demands, &solution.rates), utility(&instance.demands, &theirs));
    let scale = ours.abs().max(other.abs()).max(1.0);
    prop_assert!((ours - other).abs() <= AGREEMENT * scale, "{ours} {other} {instance:?} {solution:?} {theirs:?}");
    Ok(true)
}
