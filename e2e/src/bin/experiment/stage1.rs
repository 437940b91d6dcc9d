//! Stage 1: what a swarm makes of S. In each block every swarm is given a random one of {1/4, 1/2, 1, 2, 4} times its share; a viewer that
//! has everything is followed by another, so that the audience stays. The power law's `a` per swarm with its interval, and which of two
//! laws foresees D better: the power law, fitted to the other blocks, or min(l d_max, S + P), which has nothing to fit.

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use videocloud_scheduler::simulator::statistics::Interval;

use crate::{
    crowd::Crowd,
    place::Place,
    play::{Pool, play},
    world::World,
};

const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// One swarm in one block: bytes per second, and viewers.
#[derive(Debug, Clone, Copy)]
struct Seen {
    given: f64,
    down: f64,
    leechers: f64,
}

/// Runs it.
pub async fn run(world: &World, crowd: &mut Crowd, place: &Place, pool: &mut Pool<'_>) -> anyhow::Result<Value> {
    let (scale, swarms) = (&world.scale, world.kinds.len());
    let viewers: Vec<f64> = (0..swarms).map(|swarm| slots(world, swarm, false).count() as f64).collect();
    // At the middle factor the sum is about a third of the capacity, so that the largest draws fit.
    let base: Vec<f64> =
        viewers.iter().map(|l| scale.capacity as f64 / 3.0 * l / viewers.iter().sum::<f64>()).collect();
    let nobody = vec![Vec::new(); world.slots.len()];
    let seeds: Vec<Vec<(f64, f64)>> =
        world.slots.iter().zip(nobody).map(|(slot, none)| if slot.seed { vec![(0.0, 1e9)] } else { none }).collect();
    let mut draws = draws(swarms, scale.blocks);
    let mut seen = vec![Vec::new(); swarms];
    for block in 0..scale.blocks {
        let factors = draws.remove(0);
        let rates: Vec<u64> = base.iter().zip(&factors).map(|(base, factor)| (base * factor) as u64).collect();
        let sum: u64 = rates.iter().sum();
        let fit = (scale.capacity as f64 * 0.95 / sum as f64).min(1.0);
        let rates: Vec<u64> = rates.iter().map(|rate| (*rate as f64 * fit) as u64).collect();
        pool.even(&rates).await?;
        let seconds = scale.seconds as f64;
        let played = play((world, crowd), pool, (&seeds, true), seconds, |_| None).await?;
        for swarm in 0..swarms {
            let down = played.down[swarm] as f64 / seconds;
            seen[swarm].push(Seen { given: rates[swarm] as f64, down, leechers: played.present[swarm].max(0.5) });
        }
        println!(
            "stage 1, block {} of {}: {} bytes to {} peers",
            block + 1,
            scale.blocks,
            played.seeded,
            place.titles.len()
        );
    }
    Ok(report(world, &seen))
}

/// Which factor each swarm has in each block: every swarm goes through all five, each time in another order.
fn draws(swarms: usize, blocks: u64) -> Vec<Vec<f64>> {
    let mut chance = StdRng::seed_from_u64(11);
    let mut orders: Vec<Vec<f64>> = vec![Vec::new(); swarms];
    for order in &mut orders {
        while (order.len() as u64) < blocks {
            let mut five = FACTORS;
            five.shuffle(&mut chance);
            order.extend(five);
        }
    }
    (0..blocks as usize).map(|block| orders.iter().map(|order| order[block]).collect()).collect()
}

fn slots(world: &World, swarm: usize, seed: bool) -> impl Iterator<Item = &crate::world::Slot> {
    world.slots.iter().filter(move |slot| slot.swarm == swarm && slot.seed == seed)
}

/// Slope and level of ln(D/l) over ln(S/l); `None` where S did not vary.
fn fit(points: &[&Seen]) -> Option<(f64, f64)> {
    let place = |seen: &Seen| ((seen.given / seen.leechers).ln(), (seen.down.max(1.0) / seen.leechers).ln());
    let all: Vec<(f64, f64)> = points.iter().map(|seen| place(seen)).collect();
    let count = all.len() as f64;
    let mean = all.iter().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x / count, sum.1 + y / count));
    let spread: f64 = all.iter().map(|(x, _)| (x - mean.0).powi(2)).sum();
    let joint: f64 = all.iter().map(|(x, y)| (x - mean.0) * (y - mean.1)).sum();
    (spread > 1e-3).then(|| (joint / spread, mean.1 - joint / spread * mean.0))
}

fn report(world: &World, seen: &[Vec<Seen>]) -> Value {
    let mut swarms = Vec::new();
    let (mut power, mut fluid) = (Vec::new(), Vec::new());
    for (swarm, blocks) in seen.iter().enumerate() {
        let all: Vec<&Seen> = blocks.iter().collect();
        let slope = |picked: &[usize]| {
            let points: Vec<&Seen> = picked.iter().map(|&at| all[at]).collect();
            fit(&points).map_or(f64::NAN, |(slope, _)| slope)
        };
        let a = Interval::of_statistic(all.len(), slope);
        let peers: f64 = world.slots.iter().filter(|slot| slot.swarm == swarm).map(|slot| slot.line.up as f64).sum();
        for (left, one) in all.iter().enumerate() {
            let others: Vec<&Seen> = all.iter().enumerate().filter(|(at, _)| *at != left).map(|(_, s)| *s).collect();
            let measured = one.down.max(1.0).ln();
            if let Some((slope, level)) = fit(&others) {
                power.push(slope * (one.given / one.leechers).ln() + level + one.leechers.ln() - measured);
            }
            fluid.push((one.leechers * world.scale.down as f64).min(one.given + peers).ln() - measured);
        }
        let points: Vec<_> = blocks.iter().map(|s| json!([s.given, s.down, s.leechers])).collect();
        swarms.push(json!({ "swarm": swarm, "kind": world.kinds[swarm], "a": a, "points": points }));
    }
    let error = |errors: &[f64]| (errors.iter().map(|e| e * e).sum::<f64>() / errors.len().max(1) as f64).sqrt();
    json!({ "scale": world.scale, "swarms": swarms, "rmsOfLnD": { "powerLaw": error(&power), "fluid": error(&fluid) } })
}
