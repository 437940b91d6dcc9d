//! How many bytes to ask for at once.
//!
//! Guided self-scheduling (Polychronopoulos and Kuck, IEEE ToC C-36(12), 1987), weighted by rate: each run is at most half of the
//! lane's share of what is left, so runs shrink towards the end and lanes finish together without knowing each other's future
//! rate. On top, a run is no longer than `run_time` at the measured rate, so a slow source never holds much.

use super::settings::Settings;
use super::span::Span;

/// The first part of `extent` that one lane should fetch.
///
/// `share` is the part of the free bytes that the lane would bring if all lanes ended together (`None` when there is no other lane),
/// `rate` the lane's measured bytes per second. A run ends where a piece of `grid` ends, unless a piece is much longer than the run and
/// the source can give a part of one; of a source that gives `whole` pieces or nothing each part would cost the whole piece.
pub(super) fn run_of(
    extent: Span,
    share: Option<u64>,
    rate: Option<f64>,
    grid: Option<Grid>,
    whole: bool,
    settings: &Settings,
) -> Span {
    let Some(share) = share.map(|share| share / 2) else { return extent };
    let by_rate = rate.map_or(settings.first_run, |rate| (rate * settings.run_time.as_secs_f64()) as u64);
    let least = rate.map_or(settings.min_run, |rate| settings.min_run.min((rate * 2.0) as u64)).max(settings.align);
    let length = share.min(by_rate).clamp(least, settings.max_run.max(least));
    let end = extent.start().saturating_add(length);
    let end = match grid.filter(|grid| whole || grid.length <= 2 * length) {
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
    /// The begin of the piece that holds `offset`.
    pub(super) fn floor(self, offset: u64) -> u64 {
        let shifted = offset.saturating_add(self.before);
        (shifted - shifted % self.length.max(1)).saturating_sub(self.before)
    }

    /// The first end of a piece at or behind `offset`.
    pub(super) fn ceil(self, offset: u64) -> u64 {
        let shifted = offset.saturating_add(self.before).checked_next_multiple_of(self.length.max(1));
        shifted.map_or(u64::MAX, |shifted| shifted - self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_whole_pieces_is_asked_for_whole_pieces_however_long_they_are() {
        let (extent, grid) = (Span::new(0, 100 << 20), Some(Grid { length: 16 << 20, before: 0 }));
        let length = |whole| {
            let run = extent.map(|extent| run_of(extent, Some(50 << 20), Some(1e5), grid, whole, &Settings::default()));
            run.map(Span::len)
        };
        assert_eq!(length(true), Some(16 << 20));
        assert!(length(false) < Some(4 << 20));
    }

    #[test]
    fn pieces_end_where_they_end() {
        let grid = Grid { length: 10, before: 7 };
        assert_eq!([0, 3, 4, 13, 14].map(|offset| grid.ceil(offset)), [3, 3, 13, 13, 23]);
        assert_eq!([0, 2, 3, 12, 13].map(|offset| grid.floor(offset)), [0, 0, 3, 3, 13]);
    }
}
