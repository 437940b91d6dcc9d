//! Worlds of pieces under every policy, paired by seed.

use videocloud_scheduler::simulator::Arm;
use videocloud_scheduler::simulator::experiment::{Measure, compare};
use videocloud_scheduler::simulator::pieces::Pieces;
use videocloud_scheduler::simulator::statistics::Interval;

use super::{print_json, watched};
use crate::command::cli::SimulateArgs;
use crate::command::error::CommandError;
use crate::command::write::Sink;

const ARMS: [Arm; 6] =
    [Arm::FreeCompetitive, Arm::Proportional, Arm::InjectionFirst, Arm::Multiplier, Arm::Delay, Arm::TARGET];

/// Columns of the table, with their units as people read them.
const SHOWN: [(Measure, &str, f64); 6] = [
    (Measure::Egress, "egress %", 100.0),
    (Measure::Multiplier, "D/S", 1.0),
    (Measure::MeanTime, "mean s", 1.0),
    (Measure::P99Time, "p99 s", 1.0),
    (Measure::Hungry, "hungry %", 100.0),
    (Measure::Served, "served %", 100.0),
];

const NAMES: [&str; 12] = [
    "mean_rate",
    "p10_rate",
    "mean_time",
    "p50_time",
    "p90_time",
    "p99_time",
    "hungry",
    "served",
    "in_time",
    "unfinished",
    "egress",
    "multiplier",
];

/// Plays the worlds.
pub(super) fn run(args: &SimulateArgs) -> Result<(), CommandError> {
    let default = Pieces::default();
    let world = Pieces { swarms: args.swarms.unwrap_or(default.swarms), share: args.share, ..default };
    let found = watched("playing worlds", |progress| compare(&world, &ARMS, args.seed, args.worlds, progress))?;
    let mut sink = Sink::open(&args.out)?;
    sink.write(&format!("policy,seed,{}\n", NAMES.join(",")))?;
    for arm in &found.arms {
        for (seed, verdict) in (args.seed..).zip(&arm.verdicts) {
            let values: Vec<String> = Measure::ALL.iter().map(|m| format!("{:.6}", m.of(verdict))).collect();
            sink.write(&format!("{},{seed},{}\n", arm.arm.name(), values.join(",")))?;
        }
    }
    sink.finish()?;
    eprint!("{:<18}", "policy");
    SHOWN.iter().for_each(|(_, name, _)| eprint!("{name:>20}"));
    eprintln!();
    for arm in &found.arms {
        eprint!("{:<18}", arm.arm.name());
        for (measure, _, unit) in SHOWN {
            let values: Vec<f64> = arm.verdicts.iter().map(|v| unit * measure.of(v)).collect();
            let Interval { mean, low, high } = Interval::of(&values);
            let digits = if mean >= 100.0 { 0 } else { 2 };
            eprint!("{:>20}", format!("{mean:.digits$} [{low:.digits$}, {high:.digits$}]"));
        }
        eprintln!();
    }
    if args.json { print_json(&found) } else { Ok(()) }
}
