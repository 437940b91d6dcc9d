//! The piece-level experiments of the documentation: `experiments <egress|shortage|gains> [seeds]` prints one JSON object a world,
//! `shortage [seeds] [first seed]` from another seed on; `experiments scale [hours] [arm]` says how long 1,457 swarms take.
#![allow(clippy::print_stdout)]

use std::error::Error;

use serde_json::json;
use videocloud_scheduler::simulator::experiment::{Comparison, EgressQuestion, Measure, compare};
use videocloud_scheduler::simulator::pieces::{Pieces, play};
use videocloud_scheduler::simulator::{Arm, Progress};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = arguments.get(2).map_or(Ok(4), |text| text.parse())?;
    match arguments.get(1).map(String::as_str) {
        Some("egress") => egress(seeds),
        Some("shortage") => shortage(seeds, arguments.get(3).map_or(Ok(1), |text| text.parse())?),
        Some("gains") => gains(seeds),
        Some("scale") => scale(seeds, arguments.get(3).map(String::as_str)),
        _ => Err("one of egress, shortage, gains and scale is asked for".into()),
    }
}

/// Worlds around the default one: lingering, spread of uploads between swarms and between peers.
fn worlds() -> Vec<(&'static str, Pieces)> {
    let base = Pieces::default();
    vec![
        ("default", base),
        ("nobody lingers", Pieces { lingering: (0.0, 0.0), ..base }),
        ("nine in ten linger", Pieces { lingering: (0.9, 0.9), ..base }),
        ("swarms alike", Pieces { swarm_spread: 0.0, lingering: (0.45, 0.45), ..base }),
        ("half the spread", Pieces { swarm_spread: 0.4, ..base }),
        ("peers alike", Pieces { peer_spread: 0.0, ..base }),
    ]
}

fn egress(seeds: u64) -> Result<(), Box<dyn Error>> {
    for (place, (name, world)) in worlds().into_iter().enumerate() {
        let (target_shares, seeds) =
            if place == 0 { (vec![0.1, 0.2, 1.0], seeds) } else { (vec![1.0], seeds.div_ceil(2)) };
        let question = EgressQuestion {
            world,
            target: Arm::TARGET,
            target_shares,
            shares: vec![0.1, 0.2, 0.35, 0.5, 0.65],
            seeds,
        };
        let answer = question.answer(&Progress::silent())?;
        println!("{}", json!({ "world": name, "answer": answer }));
    }
    Ok(())
}

const ARMS: [Arm; 5] = [Arm::FreeCompetitive, Arm::Proportional, Arm::Multiplier, Arm::InjectionFirst, Arm::Delay];

fn table(name: &str, found: &Comparison) {
    let means: Vec<_> = ARMS
        .iter()
        .map(|&arm| {
            let values: Vec<_> = Measure::ALL.iter().map(|&m| (format!("{m:?}"), found.mean(arm, m))).collect();
            json!({ "arm": arm.name(), "means": values })
        })
        .collect();
    let mut differences = Vec::new();
    for arm in [Arm::Delay, Arm::InjectionFirst, Arm::Multiplier] {
        for other in ARMS.into_iter().filter(|&other| other != arm) {
            differences.push(json!({
                "arm": arm.name(),
                "against": other.name(),
                "ln_p99_time": found.log_ratio(arm, other, Measure::P99Time),
                "hungry": found.difference(arm, other, Measure::Hungry),
                "ln_multiplier": found.log_ratio(arm, other, Measure::Multiplier),
                "served": found.difference(arm, other, Measure::Served),
            }));
        }
    }
    let seeds = (found.first_seed, found.arms.first().map_or(0, |arm| arm.verdicts.len()));
    println!(
        "{}",
        json!({ "world": name, "share": found.world.share, "first_seed": seeds.0, "seeds": seeds.1, "means": means, "differences": differences })
    );
}

fn shortage(seeds: u64, first: u64) -> Result<(), Box<dyn Error>> {
    let base = Pieces::default();
    let worlds = [
        ("default", base),
        ("sizes differ, nobody lingers", Pieces { swarm_spread: 0.0, lingering: (0.0, 0.0), ..base }),
        ("sizes differ, half linger", Pieces { swarm_spread: 0.0, lingering: (0.5, 0.5), ..base }),
    ];
    for (name, world) in worlds {
        for share in [0.1, 0.2, 0.05] {
            table(name, &compare(&Pieces { share, ..world }, &ARMS, first, seeds, &Progress::silent())?);
        }
    }
    Ok(())
}

/// Only where viewers give up can a policy raise the day's bytes; where they stay, see the shortage.
fn gains(seeds: u64) -> Result<(), Box<dyn Error>> {
    let world = Pieces { patience: Some(300.0), ..Pieces::default() };
    table("viewers give up", &compare(&world, &ARMS, 1, seeds, &Progress::silent())?);
    Ok(())
}

/// The paper's number of swarms with a daily curve of 5 to 65 arrivals a second, one arm after the other or only one.
fn scale(hours: u64, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let seconds = hours as f64 * 3600.0;
    let (warm_up, cool_down) = (0.0, 0.0);
    let world = Pieces {
        swarms: 1457,
        arrivals: 35.0,
        daily: 0.85,
        warm_up,
        measured: seconds,
        cool_down,
        share: 0.3,
        ..Pieces::default()
    };
    let arms = [Arm::Proportional, Arm::Delay, Arm::TARGET];
    for arm in arms.into_iter().filter(|arm| only.is_none_or(|only| arm.name() == only)) {
        let start = std::time::Instant::now();
        let played = play(&world, arm, 1)?;
        let seconds = start.elapsed().as_secs_f64();
        let (online, verdict) = (played.leechers + played.seeders, played.verdict());
        println!(
            "{}",
            json!({ "arm": arm.name(), "hours": hours, "online": online, "seconds": seconds, "verdict": verdict })
        );
    }
    Ok(())
}
