//! The operator's process: flags, logs, signals, exit code.

use clap::Parser;
use videocloud_operator::config::Settings;

fn main() {
    let settings = Settings::parse();
    if let Err(message) = settings.check() {
        eprintln!("{message}");
        std::process::exit(2);
    }
}
