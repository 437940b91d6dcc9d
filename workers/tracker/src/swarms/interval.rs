//! Intervals of measurement, on the monotonic clock: which are open, and how much of a time span falls into each. Pure.
//!
//! Two are open: the current one and the one before, which is finished one interval late so that the announces that cover its
//! end are in. What falls before both is lost; what falls after belongs to the current one.

use std::ops::Range;

/// Where an interval's time lies, milliseconds since the tracker started.
pub type Millis = u64;

/// The open intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// Number of the current interval since the tracker started.
    current: u64,
    length: Millis,
}

impl Open {
    /// At the start of the tracker. `length` is at least a second.
    #[must_use]
    pub(super) fn new(length: Millis) -> Self {
        Self { current: 0, length: length.max(1000) }
    }

    /// Length of an interval.
    #[must_use]
    pub(super) const fn length(&self) -> Millis {
        self.length
    }

    /// Number of the current interval.
    #[must_use]
    pub(super) const fn current(&self) -> u64 {
        self.current
    }

    /// When the current interval ends.
    #[must_use]
    pub(super) const fn end(&self) -> Millis {
        (self.current + 1) * self.length
    }

    /// The span of the interval that is finished next, empty before the second one.
    #[must_use]
    pub(super) const fn previous(&self) -> Range<Millis> {
        let end = self.current * self.length;
        end.saturating_sub(self.length)..end
    }

    /// The current interval has ended: the next one is current.
    pub(super) const fn advance(&mut self) {
        self.current += 1;
    }

    /// Divides `amount`, which came about evenly over `span`, into the previous and the current interval. Divided without
    /// remainder: parts of adjoining spans add up.
    #[must_use]
    pub(super) fn divide(&self, amount: u64, span: Range<Millis>) -> [u64; 2] {
        if span.end <= span.start {
            return [0, amount];
        }
        let before = |at: Millis| -> u64 {
            let at = at.clamp(span.start, span.end) - span.start;
            let part = u128::from(amount) * u128::from(at) / u128::from(span.end - span.start);
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        let previous = self.previous();
        let (begin, border) = (before(previous.start), before(previous.end));
        [border - begin, amount - border]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_is_divided_by_time() {
        let mut open = Open::new(1000);
        assert_eq!(open.divide(100, 0..500), [0, 100]);
        open.advance();
        assert_eq!(open.divide(100, 500..1500), [50, 50]);
        open.advance();
        // Half of it lies before what is open.
        assert_eq!(open.divide(100, 500..2500), [50, 25]);
        // An interval that was not advanced in time still takes what comes.
        assert_eq!(open.divide(100, 2500..9000), [0, 100]);
        assert_eq!(open.divide(7, 2500..2500), [0, 7]);
    }

    proptest! {
        #[test]
        fn nothing_is_made_and_within_what_is_open_nothing_lost(
            amount in any::<u64>(), start in 0_u64..10_000, span in 0_u64..10_000, turns in 0_u64..9,
        ) {
            let mut open = Open::new(1000);
            (0..turns).for_each(|_| open.advance());
            let parts = open.divide(amount, start..start + span);
            let sum = u128::from(parts[0]) + u128::from(parts[1]);
            prop_assert!(sum <= u128::from(amount));
            if start >= open.previous().start {
                prop_assert_eq!(sum, u128::from(amount));
            }
        }
    }
}
