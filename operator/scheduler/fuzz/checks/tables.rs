//! Any bytes as each of the command's tables: refused with a place and a remedy, or something that can be computed with.

use std::collections::HashSet;
use std::io::Cursor;

use videocloud_scheduler::estimator::{Bank, Estimator, SwarmId, View, least_squares};
use videocloud_scheduler::model::{MAX_CLUSTERS, Objective};
use videocloud_scheduler::policy::{Optimal, Policy, Pool, Proportional};
use videocloud_scheduler::solver::Supply;
use videocloud_scheduler::units::BytesPerSecond;

use crate::command::read::{self, Input, TableError};

const CLUSTERS: &str = "id,capacity\neu,1e6\nus,12.5\n";
const CAPACITY: f64 = 900_000.25;

/// Any bytes as swarms, clusters and samples.
pub fn tables(bytes: &[u8]) {
    swarms(bytes);
    clusters(bytes);
    samples(bytes);
}

fn input(bytes: &[u8]) -> Input {
    Input::new("the table", Cursor::new(bytes.to_vec()), |warning| assert!(is_one_line(warning), "{warning:?}"))
}

fn is_one_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control())
}

fn refused(error: &TableError) {
    let text = error.to_string();
    assert!(text.starts_with("failed to read the table") && is_one_line(&text), "{text:?}");
}

fn swarms(bytes: &[u8]) {
    let Ok(clusters) = read::clusters(input(CLUSTERS.as_bytes())) else { panic!("clusters of the test's own") };
    let found = match read::swarms(input(bytes), Some(&clusters)) {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let distinct: HashSet<&String> = found.ids.iter().collect();
    assert!(distinct.len() == found.swarms.len() && !distinct.contains(&String::new()));
    let total = BytesPerSecond::clamped(CAPACITY);
    let Ok(supply) = Supply::clusters(clusters.capacities, Some(total)) else { panic!("a supply of the test's own") };
    let pool = Pool { swarms: found.swarms, supply, min_marginal: 0.0 };
    let policies: [&dyn Policy; 3] =
        [&Proportional, &Optimal { objective: Objective::Multiplier }, &Optimal { objective: Objective::Delay }];
    for policy in policies {
        let Ok(shared) = policy.allocate(&pool, None) else { panic!("{}: refused", policy.name()) };
        let rates = &shared.solution.rates;
        assert!(rates.iter().all(|rate| (0.0..=CAPACITY).contains(rate)), "{}: {rates:?}", policy.name());
        assert!(rates.iter().sum::<f64>() <= CAPACITY, "{}: {rates:?}", policy.name());
    }
}

fn clusters(bytes: &[u8]) {
    match read::clusters(input(bytes)) {
        Ok(found) => {
            assert!(!found.names.is_empty() && found.names.len() <= MAX_CLUSTERS);
            assert!(found.places.len() == found.names.len() && found.capacities.len() == found.names.len());
            assert!(Supply::clusters(found.capacities, None).is_ok());
        }
        Err(error) => refused(&error),
    }
}

fn samples(bytes: &[u8]) {
    let found = match read::samples(input(bytes)) {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let mut bank = Bank::with_swarms(View::Full, found.ids.len() as u32);
    for pair in found.samples.windows(2) {
        let ((one, next), (before, after)) = ((pair[0].swarm, pair[1].swarm), (pair[0].interval, pair[1].interval));
        assert!(one < next || one == next && before < after, "{pair:?}");
    }
    let mut order = found.samples.clone();
    order.sort_by_key(|sample| (sample.interval, sample.swarm));
    for interval in order.chunk_by(|a, b| a.interval == b.interval) {
        bank.update(interval);
    }
    for swarm in 0..found.ids.len() as u32 {
        let own = found.samples.iter().filter(|sample| sample.swarm == SwarmId(swarm));
        let fit = least_squares(own, View::Full);
        let known = bank.estimate(SwarmId(swarm)).map(|estimate| estimate.power);
        for law in fit.ok().map(|fit| fit.law).into_iter().chain(known) {
            assert!((0.05..=0.9).contains(&law.a()) && law.b() >= 0.0 && law.ln_f().is_finite(), "{law:?}");
        }
    }
}
