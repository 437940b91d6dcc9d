//! Subcommands, their flags, and what the process ends with.
//!
//! [`read`] turns files into the library's types, [`write`] puts results into files, [`plot`] draws; a
//! file per subcommand joins them to the library.

mod cli;
mod compare;
mod error;
mod fit;
mod plot;
mod pool;
mod progress;
mod read;
mod simulate;
mod solve;
mod trace;
mod write;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::CommandError;

/// Runs the command line and says what the process ends with.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Fit(args) => fit::run(&args),
        Command::Solve(args) => solve::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Trace(args) => trace::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::ReaderGone) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
