//! Ticks: whole numbers of a clock with so many ticks a second. All times of a plan are ticks; seconds exist at the edges only.

use serde::{Deserialize, Serialize};

use crate::probe::facts::Ratio;

/// Ticks of clocks faster than this do not fit 32-bit durations of MP4 samples; such sources are re-clocked to 90 kHz.
const FASTEST: u32 = 1_000_000;
const RECLOCKED: u32 = 90_000;

/// How the source's time stamps become ticks of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Ticks per second of the plan and of every output.
    pub timescale: u32,
    /// The source's seconds per time stamp.
    pub source: Ratio,
}

impl Clock {
    /// The clock for a source whose time stamps count `source` seconds: its own ticks where they fit.
    #[must_use]
    pub fn of(source: Ratio) -> Self {
        Self { timescale: if source.den > FASTEST { RECLOCKED } else { source.den }, source }
    }

    /// Ticks of a time stamp, rounded to the nearest as ffmpeg's `settb` does (exact unless re-clocked).
    #[must_use]
    pub fn ticks(self, stamp: i64) -> i64 {
        let scaled = i128::from(stamp) * i128::from(self.source.num) * i128::from(self.timescale);
        let den = i128::from(self.source.den);
        let rounded = if scaled >= 0 { (scaled + den / 2) / den } else { -((-scaled + den / 2) / den) };
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// Ticks of whole seconds.
    #[must_use]
    pub fn seconds(self, seconds: u32) -> i64 {
        i64::from(seconds) * i64::from(self.timescale)
    }

    /// Microseconds of `ticks`, rounded up: a seek to it never falls before the frame.
    #[must_use]
    pub fn micros_up(self, ticks: i64) -> i64 {
        let scale = i128::from(self.timescale);
        let micros = (i128::from(ticks) * 1_000_000 + scale - 1).div_euclid(scale);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }

    /// Milliseconds of `ticks`, rounded down.
    #[must_use]
    pub fn millis(self, ticks: i64) -> u64 {
        u64::try_from(i128::from(ticks.max(0)) * 1000 / i128::from(self.timescale)).unwrap_or(u64::MAX)
    }

    /// Ticks of `micros`, rounded down.
    #[must_use]
    pub fn from_micros(self, micros: i64) -> i64 {
        let ticks = (i128::from(micros) * i128::from(self.timescale)).div_euclid(1_000_000);
        i64::try_from(ticks).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ticks_are_kept_and_fast_clocks_are_slowed() {
        let film = Clock::of(Ratio { num: 1, den: 30_000 });
        assert_eq!((film.timescale, film.ticks(-1001)), (30_000, -1001));
        let avi = Clock::of(Ratio { num: 1001, den: 30_000 });
        assert_eq!(avi.ticks(7), 7007);
        let nano = Clock::of(Ratio { num: 1, den: 1_000_000_000 });
        assert_eq!((nano.timescale, nano.ticks(33_366_667)), (90_000, 3003));
        assert_eq!(film.micros_up(1001), 33_367);
        assert_eq!(film.micros_up(-1001), -33_366);
    }
}
