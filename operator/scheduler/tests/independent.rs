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
    let (compared, agreed) = (Cell::new(0), Cell::new(0));
    TestRunner::new(config)
        .run(&instance(), |instance| {
            let verdict = compare(&instance)?;
            compared.set(compared.get() + u32::from(verdict != Verdict::Nothing));
            agreed.set(agreed.get() + u32::from(verdict == Verdict::Same));
            Ok(())
        })
        .unwrap();
    let (compared, agreed) = (compared.get(), agreed.get());
    // Floors that do not fit are left out, and now and then the other solver gives up.
    assert!(compared >= CASES * 2 / 3, "only {compared} of {CASES} instances were compared");
    // Now and then it says that it has solved what it has not.
    assert!(agreed >= compared - compared / 100, "only {agreed} of {compared} utilities agreed");
}

/// What a comparison showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Floors that do not fit, or no answer from the other solver that keeps the limits.
    Nothing,
    /// The other solver's utility is the same.
    Same,
    /// The other solver's is less, by rates that are within every limit: it stopped too early.
    Better,
}

/// Whether the rates are within every limit, by the condition of every set of clusters (Hall's): the swarms that can
/// be served by these only get no more than these have. `tolerance` is relative.
fn within_limits(instance: &Instance, rates: &[f64], tolerance: f64) -> bool {
    let fits = |sum: f64, limit: f64| sum <= limit * (1.0 + tolerance);
    let kept = instance.demands.iter().zip(rates).all(|(d, &rate)| fits(d.lo, rate) && fits(rate, d.hi));
    let set = |members: &[usize]| members.iter().fold(0_u32, |set, &k| set | 1 << k);
    let served = (0_u32..1 << instance.capacities.len()).all(|clusters| {
        let inside = instance.masks.iter().zip(rates).filter(|(mask, _)| set(mask) & !clusters == 0);
        let has = instance.capacities.iter().enumerate().filter(|(k, _)| clusters >> k & 1 == 1);
        fits(inside.map(|(_, rate)| rate).sum(), has.map(|(_, c)| c).sum())
    });
    kept && served && fits(rates.iter().sum(), instance.total)
}

/// Compares the utilities: within every limit, no less than the other solver's, and mostly the same.
fn compare(instance: &Instance) -> Result<Verdict, TestCaseError> {
    let capacities = instance.capacities.iter().map(|&c| BytesPerSecond::new(c).unwrap()).collect();
    let total = BytesPerSecond::new(instance.total).unwrap();
    let supply = Supply::clusters(capacities, Some(total)).unwrap();
    let seat = |mask: &Vec<usize>| Seat { clusters: mask.iter().copied().collect::<ClusterSet>(), tenant: None };
    let seats: Vec<Seat> = instance.masks.iter().map(seat).collect();
    let problem = Problem::new(instance.demands.clone(), &seats, supply).unwrap();
    let solution = problem.solve(None);
    let certificate = Certificate::of(&problem, &solution);
    prop_assert!(certificate.relative <= 1e-9, "{certificate:?}");
    if !solution.scaled.is_empty() {
        return Ok(Verdict::Nothing);
    }
    prop_assert!(within_limits(instance, &solution.rates, 1e-9), "{instance:?} {solution:?}");
    // More than there is gives more than is possible.
    let theirs = conic::solve(instance).filter(|theirs| within_limits(instance, theirs, AGREEMENT / 10.0));
    let Some(theirs) = theirs else { return Ok(Verdict::Nothing) };
    let (ours, other) = (utility(&instance.demands, &solution.rates), utility(&instance.demands, &theirs));
    let scale = ours.abs().max(other.abs()).max(1.0);
    prop_assert!(ours >= other - AGREEMENT * scale, "{ours} {other} {instance:?} {solution:?} {theirs:?}");
    Ok(if ours <= other + AGREEMENT * scale { Verdict::Same } else { Verdict::Better })
}
