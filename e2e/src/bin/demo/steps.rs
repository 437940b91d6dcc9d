//! One line a step, with the time it took.

use std::{io::IsTerminal, time::Instant};

/// A step that has begun.
pub struct Step {
    name: &'static str,
    started: Instant,
}

impl Step {
    /// Says that a step begins.
    pub fn begin(name: &'static str, detail: &str) -> Self {
        eprintln!("{} {detail}", style(&format!("{name:<9}"), "1;36"));
        Self { name, started: Instant::now() }
    }

    /// Says what came of it.
    pub fn done(self, outcome: &str) {
        let took = self.started.elapsed().as_secs_f64();
        eprintln!("{} {outcome} ({took:.1} s)", style(&format!("{:<9}", self.name), "1;32"));
    }
}

/// Colour on a terminal, nothing elsewhere.
pub fn style(text: &str, code: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    if plain { text.to_owned() } else { format!("\x1b[{code}m{text}\x1b[0m") }
}
