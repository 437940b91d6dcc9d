//! `simulate`: the paper's day, or a world of pieces, under every policy.

mod day;
mod pieces;

use serde::Serialize;
use videocloud_scheduler::simulator::{Progress, SimulateError};

use super::cli::{SimulateArgs, Truth};
use super::error::CommandError;
use super::progress;
use super::write::Sink;

/// Plays, writes and prints.
pub(crate) fn run(args: &SimulateArgs) -> Result<(), CommandError> {
    if args.json && args.out == "-" {
        return Err(CommandError::Usage("--json needs the standard output; give --out a file".to_owned()));
    }
    match args.truth {
        Truth::Law => day::run(args),
        Truth::Pieces if args.calibrate || args.gains || args.plots.is_some() || args.pool.is_some() => {
            let problem = "--calibrate, --gains, --plots and --pool are of --truth law";
            Err(CommandError::Usage(problem.to_owned()))
        }
        Truth::Pieces => pieces::run(args),
    }
}

/// Runs a simulation with a bar that follows it.
fn watched<T>(name: &str, work: impl FnOnce(&Progress<'_>) -> Result<T, SimulateError>) -> Result<T, CommandError> {
    let bar = progress::steps(name);
    let listener = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let found = work(&Progress::new(&listener));
    bar.finish_and_clear();
    Ok(found?)
}

fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let mut sink = Sink::open("-")?;
    sink.write(&serde_json::to_string_pretty(value).unwrap_or_default())?;
    sink.write("\n")?;
    sink.finish()
}
