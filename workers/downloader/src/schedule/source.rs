//! What the scheduler knows of one source.

use std::time::Duration;

use super::event::{SourceSpec, Standing};
use super::lane::Run;
use super::rate::Time;
use super::run_length::Grid;
use super::span::Span;

/// Latency assumed before a source has answered once.
const UNKNOWN_LATENCY: Duration = Duration::from_millis(300);

/// Time in which a source that was not asked is believed to have doubled its rate, up to the highest it had.
const FORGIVEN: Duration = Duration::from_secs(1);

/// The least of its highest rate that a source is believed to have.
const LEAST: f64 = 1e-3;

/// How long after its first answer a source is looked at before it gets a second lane.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes per second of one lane that are about as much as disk and hash take: a second would only take turns with it, and what it
/// brings would come before its turn to be hashed.
const SWIFT: f64 = 500e6;

/// Whether a run that has been under way for a while is at least at [`SWIFT`].
fn swift(run: &Run) -> Option<bool> {
    let lasted = run.moved_at.saturating_sub(run.asked_at) >= LOOK / 2;
    lasted.then(|| run.average() >= SWIFT)
}

/// What the scheduler remembers of one source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) spec: SourceSpec,
    pub(super) standing: Standing,
    /// Whether it serves ranges; `None` before the first answer.
    pub(super) ranges: Option<bool>,
    /// Faults since the last byte.
    pub(super) faults: u32,
    /// A piece that it wrote alone has its hash, or it verifies what it gives.
    pub(super) proven: bool,
    /// Bytes per second of one lane, from the last runs.
    lane_rate: Option<Known>,
    latency: Option<f64>,
    /// When it answered first.
    first_answer: Option<Time>,
    /// Its last run that says so was at least at [`SWIFT`].
    swift: bool,
}

/// What is known of a rate, in bytes per second.
#[derive(Clone, Copy, Debug)]
struct Known {
    rate: f64,
    /// The highest so far.
    best: f64,
    at: Time,
}

impl Source {
    pub(super) fn new(spec: SourceSpec, standing: Standing) -> Self {
        let proven = spec.verified;
        Self {
            spec,
            standing,
            ranges: None,
            faults: 0,
            proven,
            lane_rate: None,
            latency: None,
            first_answer: None,
            swift: false,
        }
    }

    /// Lanes this source may have open: one until it has shown that it serves ranges.
    pub(super) fn lanes(&self) -> usize {
        match (self.standing, self.ranges) {
            (Standing::Active, Some(true)) => self.spec.lanes.max(1),
            (Standing::Active, _) => 1,
            _ => 0,
        }
    }

    /// Whether it can give all of `span`.
    pub(super) fn holds(&self, span: Span) -> bool {
        self.spec.holds.as_ref().is_none_or(|holds| holds.covers(span))
    }

    /// Length of pieces, if it gives whole ones or nothing.
    pub(super) fn piece(&self, grid: Option<Grid>) -> Option<u64> {
        grid.filter(|_| self.spec.verified).map(|grid| grid.length)
    }

    /// Bytes per second of one lane as it is expected at `now`. That a source was slow is forgotten with time: a stall ends.
    pub(super) fn lane_rate(&self, now: Time) -> Option<f64> {
        self.lane_rate.map(|known| {
            let age = now.saturating_sub(known.at).as_secs_f64();
            (known.rate * (age / FORGIVEN.as_secs_f64()).min(60.0).exp2()).min(known.best)
        })
    }

    /// Takes in the rate of a run that ended at `now`. A collapse is believed at once.
    pub(super) fn measured(&mut self, now: Time, rate: f64) {
        let least = self.lane_rate.map_or(1.0, |old| old.best * LEAST).max(1.0);
        let rate = rate.max(least);
        let new = |rate: f64, best: f64| Known { rate, best: best.max(rate), at: now };
        self.lane_rate = Some(match self.lane_rate {
            Some(old) if rate > 0.25 * old.rate => new(0.5 * old.rate + 0.5 * rate, old.best),
            Some(old) => new(rate, old.best),
            None => new(rate, rate),
        });
    }

    /// Time from a request to its answer.
    pub(super) fn latency(&self) -> Duration {
        self.latency.map_or(UNKNOWN_LATENCY, Duration::from_secs_f64)
    }

    /// Whether the lane that has `run` is all it needs at `now`, or may turn out to be.
    pub(super) fn suffices(&self, now: Time, run: &Run) -> bool {
        let new = self.first_answer.is_none_or(|first| now < first + LOOK);
        !self.spec.verified && (new || swift(run).unwrap_or(self.swift))
    }

    /// Takes in how swift a run was.
    pub(super) fn ran(&mut self, run: &Run) {
        self.swift = swift(run).unwrap_or(self.swift);
    }

    /// Takes in the time from a request to its answer.
    pub(super) fn answered(&mut self, asked_at: Time, now: Time) {
        self.first_answer.get_or_insert(now);
        let sample = now.saturating_sub(asked_at).as_secs_f64();
        self.latency = Some(self.latency.map_or(sample, |old| 0.7 * old + 0.3 * sample));
    }
}
