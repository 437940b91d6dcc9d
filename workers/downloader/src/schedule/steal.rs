//! Taking over the tail of a slower run once nothing is free.
//!
//! The victim keeps what it can deliver until the thief would be done with the rest, so both end together:
//! `latency + x / thief = (rest - x) / victim`. A silent victim has a rate that decays to nothing, so its whole rest moves:
//! "reissue at once" of the failure table needs no rule of its own.

use super::event::LaneId;
use super::settings::Settings;
use super::span::Span;

/// A lane whose tail could be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Victim {
    pub(super) lane: LaneId,
    pub(super) rest: Span,
    /// Seconds until it would be done.
    pub(super) eta: f64,
}

/// Who wants work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thief {
    /// Bytes per second, `None` when never measured.
    pub(super) rate: Option<f64>,
    /// Seconds from request to answer.
    pub(super) latency: f64,
}

/// The tail to move: `span` ends where the victim's span ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steal {
    pub(super) victim: LaneId,
    pub(super) span: Span,
}

/// Below this a victim is relieved of everything: a request for fewer bytes costs more than it brings.
const MIN_KEPT: u64 = 4 << 10;

/// The steal that helps most, if one saves at least the least gain.
pub(super) fn best(victims: impl Iterator<Item = Victim>, thief: Thief, settings: &Settings) -> Option<Steal> {
    let victim = victims.max_by(|a, b| a.eta.total_cmp(&b.eta))?;
    let rest = victim.rest.len() as f64;
    let victim_rate = rest / victim.eta.max(1e-6);
    let thief_rate = thief.rate.unwrap_or(victim_rate).max(1.0);
    let budget = victim.eta - thief.latency;
    if budget <= 0.0 {
        return None;
    }
    let taken = (budget * thief_rate * victim_rate / (thief_rate + victim_rate)).min(rest);
    let done_in = thief.latency + taken / thief_rate;
    if victim.eta - done_in < settings.min_gain.as_secs_f64() {
        return None;
    }
    let mut kept = victim.rest.len().saturating_sub(taken.ceil() as u64);
    if kept < MIN_KEPT {
        kept = 0;
    }
    Some(Steal { victim: victim.lane, span: victim.rest.skip(kept)? })
}
