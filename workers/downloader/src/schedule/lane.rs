//! One connection and the run of bytes it is fetching.

use std::time::Duration;

use super::event::SourceId;
use super::rate::{Rate, Time};
use super::span::Span;

/// A run of bytes under way.
#[derive(Debug)]
pub(super) struct Run {
    /// What was asked; the end moves with [`super::event::Action::Bound`].
    pub(super) span: Span,
    /// Offset of the next byte to come.
    pub(super) position: u64,
    /// When it was asked for.
    pub(super) asked_at: Time,
    /// When the answer began.
    pub(super) opened_at: Option<Time>,
    /// When the last bytes came.
    pub(super) moved_at: Time,
    /// When the last byte (or the answer's head, or the request) was seen.
    pub(super) heard_at: Time,
    /// Rate of this run.
    pub(super) rate: Rate,
    /// Its pieces are to have one writer each: they are taken over whole or not at all.
    pub(super) alone: bool,
}

impl Run {
    pub(super) fn new(now: Time, span: Span, alone: bool) -> Self {
        let (position, rate) = (span.start(), Rate::starting(now));
        Self { span, position, asked_at: now, opened_at: None, moved_at: now, heard_at: now, rate, alone }
    }

    /// Bytes still to come, `None` when the run is complete.
    pub(super) fn rest(&self) -> Option<Span> {
        Span::new(self.position, self.span.end())
    }

    /// Bytes per second from the request to the last bytes: of what comes in lumps, a mean with a shorter memory than they are apart
    /// would be far too high.
    pub(super) fn average(&self) -> f64 {
        let bytes = self.position.saturating_sub(self.span.start()) as f64;
        bytes / self.moved_at.saturating_sub(self.asked_at).as_secs_f64().max(0.02)
    }

    /// When the run is expected to be complete, in seconds from `now`, given what its source is known for. `piece` is the length of
    /// pieces, of a source that gives whole ones.
    pub(super) fn eta(&self, now: Time, latency: Duration, source_rate: f64, piece: Option<u64>) -> f64 {
        let Some(rest) = self.rest() else { return 0.0 };
        let bytes = rest.len() as f64;
        if let Some(piece) = piece {
            let (since, rate, delay) = match self.position > self.span.start() {
                true => (self.moved_at, self.average(), 0.0),
                false => (self.asked_at, source_rate, latency.as_secs_f64()),
            };
            let (since, rate) = (now.saturating_sub(since).as_secs_f64(), rate.max(1.0));
            // A part of the next piece is there already, though nothing shows of it; if it is late, it is expected to be as late again.
            let next = delay + bytes.min(piece as f64) / rate;
            return delay + bytes / rate - since.min(next) + (since - 1.5 * next).max(0.0);
        }
        let waited = now.saturating_sub(self.asked_at).as_secs_f64();
        if self.position > self.span.start() {
            // A silence is expected to last as long again: what falls silent close to its end is relieved soon.
            let silent = now.saturating_sub(self.heard_at).as_secs_f64();
            return bytes / self.rate.at(self.heard_at).max(1.0) + silent;
        }
        // Nothing has come: the longer it has kept us waiting, the longer it is expected to.
        (latency.as_secs_f64() - waited).max(waited) + bytes / source_rate.max(1.0)
    }
}

/// One connection to a source.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) source: SourceId,
    /// `None` while the connection is open and waits for work.
    pub(super) run: Option<Run>,
}
