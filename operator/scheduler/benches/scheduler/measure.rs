//! Times over rounds, in seconds: the median, and the fastest.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Times of one call, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub median: f64,
    /// The fastest: what it takes when nobody else uses the machine.
    pub best: f64,
}

/// Times of one call, over rounds that last about this long together, at least five.
pub fn rounds<T>(budget: Duration, mut work: impl FnMut() -> T) -> Times {
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || started.elapsed() < budget {
        let start = Instant::now();
        black_box(work());
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Times { median: times[times.len() / 2], best: times[0] }
}

/// The time of one call, and what it returned.
pub fn once<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed().as_secs_f64(), result)
}

/// A time as people read it.
pub fn human(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
