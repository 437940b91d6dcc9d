//! Stage 2: what viewers get under each policy, of the same arrivals, in an order that changes from block to block. Two arms are the same
//! policy (A/A): the difference between them is what the method calls nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use videocloud_operator::{controllers::pool::Loop, index::Wanted};
use videocloud_protocol::tracker::{IntervalSamples, PoolTable};
use videocloud_scheduler::simulator::statistics::{Interval, quantile};

use crate::{
    crowd::Crowd,
    place::Place,
    play::{Played, Pool, play},
    world::World,
};

/// Name, policy and objective of each arm. The first is what the others are held against.
const ARMS: [(&str, &str, &str); 6] = [
    ("Proportional", "Proportional", "Target"),
    ("Proportional again (A/A)", "Proportional", "Target"),
    ("FreeCompetitive", "FreeCompetitive", "Target"),
    ("Target", "Optimal", "Target"),
    ("Delay", "Optimal", "Delay"),
    ("Multiplier", "Optimal", "Multiplier"),
];

/// What a block of an arm is judged by.
pub const MEASURES: [&str; 6] = ["multiplier", "egress", "atRate", "p10Rate", "p90Seconds", "jain"];

/// What only all blocks of an arm together tell: the slowest of a hundred viewers, of whom a block has a quarter.
pub const POOLED: &str = "p99Seconds";

/// A block of an arm.
struct Judged {
    measures: [f64; 6],
    /// Seconds each viewer takes for the content.
    times: Vec<f64>,
}

/// Runs it, with the first `arms` arms.
pub async fn run(
    world: &World,
    crowd: &mut Crowd,
    place: &Place,
    pool: &mut Pool<'_>,
    arms: usize,
) -> anyhow::Result<Value> {
    let (scale, arms) = (&world.scale, &ARMS[..arms]);
    let mut controls: Vec<Loop> = arms.iter().map(|arm| controller(place, world, arm)).collect::<Result<_, _>>()?;
    let mut found: Vec<Vec<Judged>> = arms.iter().map(|_| Vec::new()).collect();
    let even = vec![scale.capacity * 3 / 4 / world.kinds.len() as u64; world.kinds.len()];
    for block in 0..scale.blocks {
        let arrivals = world.arrivals(block);
        for step in 0..arms.len() {
            let arm = (step + block as usize) % arms.len();
            pool.even(&even).await?;
            let control = &mut controls[arm];
            let turn = |interval: &IntervalSamples| -> Option<PoolTable> {
                control.learn(interval);
                control.solve().0
            };
            let played = play((world, crowd), pool, (&arrivals, false), scale.seconds as f64, turn).await?;
            let judged = judge(&played, world);
            println!("block {} of {}, {}: {:.3?}", block + 1, scale.blocks, arms[arm].0, judged.measures);
            found[arm].push(judged);
        }
    }
    Ok(report(world, arms, &found))
}

fn controller(place: &Place, world: &World, arm: &(&str, &str, &str)) -> anyhow::Result<Loop> {
    let spec = serde_json::from_value(json!({
        "capacityBytesPerSecond": world.scale.capacity, "intervalSeconds": world.scale.interval, "policy": arm.1,
        "objective": arm.2, "directReservePercent": 0,
        "borrowing": { "enabled": true }, "exploration": { "enabled": true },
    }))?;
    let one = || Wanted {
        namespace: "team".into(),
        weight: 10,
        floor: 0,
        clusters: Box::default(),
        direct: false,
        // The target of each content is made of this, as it is of a video's own rate.
        playback: u32::try_from(world.scale.target).unwrap_or(u32::MAX),
    };
    let wanted: BTreeMap<_, _> = place.titles.iter().map(|title| (title.id, vec![one()])).collect();
    Ok(Loop::new(spec, wanted))
}

fn judge(played: &Played, world: &World) -> Judged {
    let mut rates = played.rates.clone();
    rates.sort_by(f64::total_cmp);
    let (down, sent) = (played.down.iter().sum::<u64>() as f64, played.seeded.max(1) as f64);
    let count = rates.len().max(1) as f64;
    let at_rate = rates.iter().filter(|rate| **rate >= 0.95 * world.scale.target as f64).count() as f64 / count;
    let (sum, squares) = rates.iter().fold((0.0, 0.0), |sums, rate| (sums.0 + rate, sums.1 + rate * rate));
    let size = world.scale.size as f64;
    // The slowest tenth is the one that waits longest.
    let seconds = size / quantile(&rates, 0.1).max(1.0);
    let measures = [
        down / sent,
        sent / world.scale.seconds as f64,
        at_rate,
        quantile(&rates, 0.1),
        seconds,
        sum * sum / (count * squares),
    ];
    Judged { measures, times: rates.iter().map(|rate| size / rate.max(1.0)).collect() }
}

/// The p99 of the viewers of these blocks.
fn slowest<'a>(blocks: impl Iterator<Item = &'a Judged>) -> f64 {
    let mut times: Vec<f64> = blocks.flat_map(|block| block.times.iter().copied()).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.99)
}

fn report(world: &World, arms: &[(&str, &str, &str)], found: &[Vec<Judged>]) -> Value {
    let mut told = Vec::new();
    for ((name, ..), blocks) in arms.iter().zip(found) {
        let mut measures = serde_json::Map::new();
        for (at, measure) in MEASURES.iter().enumerate() {
            let own: Vec<f64> = blocks.iter().map(|block| block.measures[at]).collect();
            let pair = |(mine, first): (&Judged, &Judged)| match *measure {
                "atRate" | "jain" => mine.measures[at] - first.measures[at],
                _ => (mine.measures[at] / first.measures[at]).ln(),
            };
            let against: Vec<f64> = blocks.iter().zip(&found[0]).map(pair).collect();
            let told = json!({ "mean": Interval::of(&own), "against": Interval::of(&against), "blocks": own });
            measures.insert((*measure).to_owned(), told);
        }
        let of = |blocks: &[Judged], picked: &[usize]| slowest(picked.iter().map(|at| &blocks[*at]));
        let own = Interval::of_statistic(blocks.len(), |picked| of(blocks, picked));
        let against = |picked: &[usize]| (of(blocks, picked) / of(&found[0], picked)).ln();
        let against = Interval::of_statistic(blocks.len(), against);
        let viewers: usize = blocks.iter().map(|block| block.times.len()).sum();
        measures.insert(POOLED.to_owned(), json!({ "mean": own, "against": against, "viewers": viewers }));
        told.push(json!({ "arm": name, "measures": measures }));
    }
    json!({ "scale": world.scale, "against": arms[0].0, "arms": told })
}
