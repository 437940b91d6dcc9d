//! Tells a person what is going on: a moving line on a terminal, a plain line now and then elsewhere, nothing in tests.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written when there is no terminal.
const PLAIN: Duration = Duration::from_secs(15);

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Nowhere.
    #[default]
    Silent,
    /// Standard error.
    Told,
}

/// Something that takes a while; its line disappears when this is dropped.
pub struct Activity {
    bar: ProgressBar,
    plain: Option<Mutex<Plain>>,
}

struct Plain {
    what: String,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// Says one thing.
    pub fn note(self, text: &str) {
        if self == Self::Told {
            eprintln!("{text}");
        }
    }

    /// Begins something that takes a while, with a known number of steps or none.
    pub fn activity(self, what: &str, steps: Option<u64>) -> Activity {
        if self == Self::Silent {
            return Activity { bar: ProgressBar::hidden(), plain: None };
        }
        if !stderr().is_terminal() {
            eprintln!("{what}");
            let now = Instant::now();
            let plain = Plain { what: what.to_owned(), started: now, told: now };
            let bar = ProgressBar::hidden();
            bar.set_length(steps.unwrap_or(0));
            return Activity { bar, plain: Some(Mutex::new(plain)) };
        }
        let template = match steps {
            Some(_) => "{spinner} {prefix}: {percent}% [{bar:24}] {elapsed}, about {eta} left  {wide_msg}",
            None => "{spinner} {prefix}: {elapsed}  {wide_msg}",
        };
        let bar = steps.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Activity { bar, plain: None }
    }
}

impl Activity {
    /// Says which part is being worked on.
    pub fn describe(&self, part: &str) {
        self.bar.set_message(part.to_owned());
        let Some(plain) = &self.plain else { return };
        let Ok(mut plain) = plain.lock() else { return };
        if plain.told.elapsed() < PLAIN {
            return;
        }
        plain.told = Instant::now();
        let elapsed = plain.started.elapsed();
        let steps = self.bar.length().unwrap_or(0);
        let share = match steps {
            0 => String::new(),
            _ => {
                let (done, left) = (self.bar.position().max(1), steps.saturating_sub(self.bar.position()));
                let left = elapsed.mul_f64(left as f64 / done as f64).as_secs();
                format!(", {}%, about {left} s left", done * 100 / steps)
            }
        };
        eprintln!("{}: {} s{share}: {part}", plain.what, elapsed.as_secs());
    }

    /// One step is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if let Some(Ok(plain)) = self.plain.as_ref().map(Mutex::lock) {
            eprintln!("{}: {:.1} s", plain.what, plain.started.elapsed().as_secs_f64());
        }
    }
}
