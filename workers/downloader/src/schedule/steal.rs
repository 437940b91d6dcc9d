//! Taking over the tail of a slower run once nothing is free.
//!
//! The victim keeps what it can deliver until the thief would be done with the rest, so both end together:
//! `latency + x / thief = (rest - x) / victim`. A silent victim has a rate that decays to nothing, so its whole rest moves:
//! "reissue at once" of the failure table needs no rule of its own.

use super::event::LaneId;
use super::run_length::Grid;
use super::settings::Settings;
use super::span::Span;

/// A lane whose tail could be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Victim {
    pub(super) lane: LaneId,
    /// What would be left for others: of a piece with one writer all of it.
    pub(super) rest: Span,
    /// Seconds until it would be done.
    pub(super) eta: f64,
    /// Seconds since it was asked.
    pub(super) age: f64,
    /// Its rest is taken whole or not at all.
    pub(super) alone: bool,
    /// It gives whole pieces or nothing.
    pub(super) whole: bool,
}

/// Who wants work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thief {
    /// Bytes per second, `None` when never measured.
    pub(super) rate: Option<f64>,
    /// Seconds from request to answer.
    pub(super) latency: f64,
    /// It is given whole pieces only.
    pub(super) trial: bool,
    /// It gives whole pieces or nothing.
    pub(super) whole: bool,
}

/// The tail to move: `span` ends where the victim's span ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steal {
    pub(super) victim: LaneId,
    pub(super) span: Span,
    /// Nothing is left to the victim.
    pub(super) whole: bool,
}

/// Below this a victim is relieved of everything: a request for fewer bytes costs more than it brings.
const MIN_KEPT: u64 = 4 << 10;

/// Who writes a long piece alone keeps it for so many seconds at least.
const LEFT_IN_PEACE: f64 = 15.0;

/// The steal that helps most, if one saves at least the least gain.
pub(super) fn best(
    victims: impl Iterator<Item = Victim>,
    thief: Thief,
    grid: Option<Grid>,
    settings: &Settings,
) -> Option<Steal> {
    let steals = victims.filter_map(|victim| steal(victim, thief, grid, settings));
    steals.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, steal)| steal)
}

/// What `thief` would take of `victim`, and the seconds that saves.
fn steal(victim: Victim, thief: Thief, grid: Option<Grid>, settings: &Settings) -> Option<(f64, Steal)> {
    let rest = victim.rest.len() as f64;
    let victim_rate = rest / victim.eta.max(1e-6);
    let thief_rate = thief.rate.unwrap_or(victim_rate).max(1.0);
    let budget = victim.eta - thief.latency;
    if budget <= 0.0 {
        return None;
    }
    let equal = (budget * thief_rate * victim_rate / (thief_rate + victim_rate)).min(rest);
    let taken = if victim.alone { rest } else { equal };
    let mut kept = victim.rest.len().saturating_sub(taken.ceil() as u64);
    if kept < MIN_KEPT {
        kept = 0;
    }
    let start = victim.rest.start();
    let aligned = |grid: &Grid| thief.trial || thief.whole || victim.whole || grid.length as f64 <= taken / 4.0;
    let choices = match grid.filter(|grid| kept > 0 && aligned(grid)) {
        Some(grid) => {
            let up = grid.ceil(start + kept) - start;
            // Half a piece of who gives whole ones costs as much as all of it.
            let down = (thief.whole || victim.whole).then(|| grid.floor(start + kept).saturating_sub(start));
            [Some(up), down]
        }
        None => [Some(kept), None],
    };
    let judged = choices.into_iter().flatten().filter_map(|kept| {
        let span = victim.rest.skip(kept)?;
        let bytes = match grid.filter(|_| thief.whole) {
            Some(grid) => grid.ceil(span.end()) - grid.floor(span.start()),
            None => span.len(),
        };
        let done = thief.latency + bytes as f64 / thief_rate;
        // What the victim keeps is done before the thief is, but where pieces are long.
        let left = if victim.whole { victim.eta * kept as f64 / rest } else { 0.0 };
        // A piece that was partly written by somebody else would have two writers.
        let mixes = thief.trial && !victim.alone && grid.is_some_and(|grid| grid.floor(span.start()) != span.start());
        let steal = Steal { victim: victim.lane, span, whole: kept == 0 };
        // Of a long piece with one writer all begins again: rates that seem high for a while would take it from each other for ever.
        let long = grid.is_some_and(|grid| grid.length > settings.first_run);
        let hasty = victim.alone && long && victim.age < (4.0 * done).max(LEFT_IN_PEACE);
        (!mixes && !hasty).then_some((victim.eta - done.max(left), steal))
    });
    judged.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(gain, _)| *gain >= settings.min_gain.as_secs_f64())
}
