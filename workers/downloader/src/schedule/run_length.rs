//! How many bytes to ask for at once.
//!
//! Guided self-scheduling (Polychronopoulos and Kuck, IEEE ToC C-36(12), 1987): each run is at most an equal share of half of
//! what is left, so runs shrink towards the end and lanes finish together without knowing each other's future rate. On top, a
//! run is no longer than `run_time` at the measured rate, so a slow source never holds much.

use super::settings::Settings;
use super::span::Span;

/// The first part of `extent` that one lane should fetch.
///
/// `free` is the number of unassigned bytes of the content, `lanes` the number of lanes that could share them, `rate` the lane's
/// measured bytes per second. A run ends where a piece of `grid` ends, unless a piece is much longer than the run.
pub(super) fn run_of(
    extent: Span,
    free: u64,
    lanes: usize,
    rate: Option<f64>,
    grid: Option<Grid>,
    settings: &Settings,
) -> Span {
    if lanes <= 1 {
        return extent;
    }
    let share = free / (2 * lanes as u64);
    let by_rate = rate.map_or(settings.first_run, |rate| (rate * settings.run_time.as_secs_f64()) as u64);
    let least = rate.map_or(settings.min_run, |rate| settings.min_run.min((rate * 2.0) as u64)).max(settings.align);
    let length = share.min(by_rate).clamp(least, settings.max_run.max(least));
    let end = extent.start().saturating_add(length);
    let end = match grid.filter(|grid| grid.length <= 2 * length) {
        Some(grid) => grid.ceil(end),
        None => end.next_multiple_of(settings.align.max(1)),
    };
    Span::new(extent.start(), end.min(extent.end())).unwrap_or(extent)
}

/// Where pieces begin and end: every `length` bytes, the first after `length - before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) length: u64,
    pub(super) before: u64,
}

impl Grid {
    /// The first end of a piece at or behind `offset`.
    pub(super) fn ceil(self, offset: u64) -> u64 {
        let shifted = offset.saturating_add(self.before).checked_next_multiple_of(self.length.max(1));
        shifted.map_or(u64::MAX, |shifted| shifted - self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn pieces_end_where_they_end() {
        let grid = Grid { length: 10, before: 7 };
        assert_eq!([0, 3, 4, 13, 14].map(|offset| grid.ceil(offset)), [3, 3, 13, 13, 23]);
    }
}
