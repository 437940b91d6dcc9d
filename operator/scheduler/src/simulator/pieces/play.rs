//! Plays a world: swarms in rounds of ten seconds, an allocation every interval, unused rate lent.

use std::f64::consts::TAU;

use rand::RngExt;
use rayon::prelude::*;

use super::belief::Beliefs;
use super::lender::Lender;
use super::peer::Arrival;
use super::scenario::Pieces;
use super::swarm::{Ledger, ROUND, Swarm, TICK};
use super::verdict::World;
use crate::policy::Pool;
use crate::simulator::chance::{Chance, exponential, log_normal, normal, stream};
use crate::simulator::{Arm, SimulateError};
use crate::solver::Supply;
use crate::units::BytesPerSecond;

/// Seconds of a day, of which arrivals may follow the curve.
const DAY: f64 = 86_400.0;

/// From this many swarms on, they are played side by side.
const MANY: usize = 200;

/// Plays the world of this seed with one arm. Every arm meets the same viewers.
///
/// # Errors
/// [`SimulateError`] for a field out of range.
pub fn play(world: &Pieces, arm: Arm, seed: u64) -> Result<World, SimulateError> {
    world.validate()?;
    let mut swarms = populate(world, seed);
    let mut beliefs = Beliefs::new(world, arm, swarms.len());
    let round_length = f64::from(ROUND) * TICK;
    let rounds = (world.duration() / round_length).ceil() as usize;
    let per_interval = (world.interval / round_length).round().max(1.0) as usize;
    let capacity = world.capacity();
    let mut rates = vec![0.0; swarms.len()];
    let mut out = World {
        arm,
        viewers: Vec::new(),
        size: world.size(),
        demanded: 0.0,
        uploaded: 0.0,
        downloaded: 0.0,
        exchanged: 0.0,
        allowed: 0.0,
        leechers: 0.0,
        seeders: 0.0,
    };
    let mut lender = Lender::new(world, arm, swarms.len());
    for round in 0..rounds {
        let now = round as f64 * round_length;
        let counts = now >= world.warm_up && now < world.warm_up + world.measured;
        if round % per_interval == 0 {
            rates = allocate(&swarms, &mut beliefs, arm, capacity)?;
            lender.begin(&swarms);
        }
        let before: Vec<Ledger> = swarms.iter().map(|swarm| swarm.ledger).collect();
        let budget = |i: usize| rates[i] + lender.loans[i];
        if swarms.len() >= MANY {
            swarms.par_iter_mut().enumerate().for_each(|(i, swarm)| swarm.play_round(budget(i)));
        } else {
            swarms.iter_mut().enumerate().for_each(|(i, swarm)| swarm.play_round(budget(i)));
        }
        let mut used = vec![0.0; swarms.len()];
        for (i, (swarm, before)) in swarms.iter().zip(before).enumerate() {
            let after = swarm.ledger;
            used[i] = (after.cloud - before.cloud) / round_length;
            if counts {
                out.uploaded += after.cloud - before.cloud;
                out.downloaded += after.received - before.received;
                out.exchanged += after.peers - before.peers;
                out.leechers += after.leeching - before.leeching;
                out.seeders += after.seeding - before.seeding;
                out.allowed += budget(i) * round_length;
            }
        }
        lender.lend(&swarms, &rates, &used);
    }
    for swarm in &mut swarms {
        swarm.end();
        out.viewers.append(&mut swarm.viewers);
    }
    out.demanded = out.viewers.len() as f64 * out.size;
    out.leechers /= world.measured.max(TICK);
    out.seeders /= world.measured.max(TICK);
    Ok(out)
}

/// Shares the pool by what the arm believes of the swarms.
fn allocate(swarms: &[Swarm], beliefs: &mut Beliefs, arm: Arm, capacity: f64) -> Result<Vec<f64>, SimulateError> {
    beliefs.learn(swarms);
    let pool = Pool {
        swarms: beliefs.swarms(swarms),
        supply: Supply::pool(BytesPerSecond::clamped(capacity)),
        min_marginal: 0.0,
    };
    let found = arm.policy(Vec::new()).allocate(&pool, None)?;
    beliefs.remember(&found.solution.rates);
    Ok(found.solution.rates)
}

/// The swarms with everybody who will ever come.
pub(super) fn populate(world: &Pieces, seed: u64) -> Vec<Swarm> {
    let weight = |rank: usize| (rank as f64).powf(-world.popularity);
    let all: f64 = (1..=world.swarms).map(weight).sum();
    (0..world.swarms)
        .map(|i| {
            let key = i as u64;
            let mut habits = stream(seed, &[key, 0]);
            let upload = world.upload * (world.swarm_spread * normal(&mut habits)).exp();
            let (low, high) = world.lingering;
            let lingering = low + (high - low) * habits.random::<f64>();
            let rate = world.arrivals * weight(i + 1) / all;
            let mut chance = stream(seed, &[key, 1]);
            let arrivals = draw(world, rate, upload, lingering, &mut chance);
            Swarm::new(i as u32, *world, arrivals, stream(seed, &[key, 2]))
        })
        .collect()
}

/// A Poisson stream of viewers, thinned from the highest rate of the daily curve.
fn draw(world: &Pieces, rate: f64, upload: f64, lingering: f64, chance: &mut Chance) -> Vec<Arrival> {
    let peak = rate * (1.0 + world.daily);
    let mut arrivals = Vec::new();
    let mut at = 0.0;
    loop {
        at += exponential(chance) / peak.max(f64::MIN_POSITIVE);
        if at >= world.duration() {
            return arrivals;
        }
        let height = 1.0 - world.daily * (TAU * (at / DAY)).cos();
        let comes = chance.random::<f64>() * (1.0 + world.daily) < height;
        let stays = chance.random::<f64>() < lingering;
        let arrival = Arrival {
            at,
            upload: upload * log_normal(chance, world.peer_spread),
            linger: if stays { world.linger * exponential(chance) } else { 0.0 },
            patience: exponential(chance) * world.patience.unwrap_or(f64::INFINITY),
            counted: at >= world.warm_up && at < world.warm_up + world.measured,
        };
        if comes {
            arrivals.push(arrival);
        }
    }
}
