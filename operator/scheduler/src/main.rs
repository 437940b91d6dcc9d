//! The command `videocloud-scheduler`: the library on CSV files, for what-if questions.
//!
//! Everything that reads, writes, draws or knows a terminal is here; the library stays pure.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
