//! What the scheduler knows of one source.

use std::time::Duration;

use super::event::{SourceSpec, Standing};
use super::rate::Time;
use super::span::Span;

/// Latency assumed before a source has answered once.
const UNKNOWN_LATENCY: Duration = Duration::from_millis(300);

/// What the scheduler remembers of one source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) spec: SourceSpec,
    pub(super) standing: Standing,
    /// Whether it serves ranges; `None` before the first answer.
    pub(super) ranges: Option<bool>,
    /// Faults since the last byte.
    pub(super) faults: u32,
    /// Bytes per second of one lane, from the last runs.
    lane_rate: Option<f64>,
    latency: Option<f64>,
}

impl Source {
    pub(super) fn new(spec: SourceSpec, standing: Standing) -> Self {
        Self { spec, standing, ranges: None, faults: 0, lane_rate: None, latency: None }
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

    /// Measured bytes per second of one lane.
    pub(super) fn lane_rate(&self) -> Option<f64> {
        self.lane_rate
    }

    /// Takes in the rate of a run.
    pub(super) fn measured(&mut self, rate: f64) {
        self.lane_rate = Some(self.lane_rate.map_or(rate, |old| 0.5 * old + 0.5 * rate));
    }

    /// Time from a request to its answer.
    pub(super) fn latency(&self) -> Duration {
        self.latency.map_or(UNKNOWN_LATENCY, Duration::from_secs_f64)
    }

    /// Takes in the time from a request to its answer.
    pub(super) fn answered(&mut self, asked_at: Time, now: Time) {
        let sample = now.saturating_sub(asked_at).as_secs_f64();
        self.latency = Some(self.latency.map_or(sample, |old| 0.7 * old + 0.3 * sample));
    }
}
