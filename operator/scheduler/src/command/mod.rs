//! Subcommands, their flags, and what the process ends with.
//!
//! [`read`] turns files into the library's types, [`write`] puts results into files, [`plot`] draws; a
//! file per subcommand joins them to the library.

mod cli;
mod error;
mod pool;
mod progress;
mod read;
mod solve;
mod write;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::CommandError;

/// Runs the command line and says what the process ends with.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Solve(args) => solve::run(&args),
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
