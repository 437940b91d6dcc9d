//! When a pool is solved, when an interval is skipped, and when to look again. Pure.

use std::time::{Duration, Instant};

/// A table holds for this many intervals: two may be skipped.
const HOLDS: u32 = 3;
/// A table of short intervals holds at least, one of long ones at most so long: the tracker takes no longer.
const HOLDS_LEAST: Duration = Duration::from_secs(30);
const HOLDS_MOST: Duration = Duration::from_secs(3600);
/// Samples come a little later than their interval ends.
const LATE: Duration = Duration::from_secs(5);

/// What is known when a pass begins.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// Of the spec.
    pub(super) interval: Duration,
    pub(super) suspended: bool,
    /// When this leader began to look.
    pub(super) began: Instant,
    /// When it was solved last, by this leader.
    pub(super) solved: Option<Instant>,
    /// Whether that was for this very spec.
    pub(super) current: bool,
    /// When samples arrived last, and how long their interval was.
    pub(super) arrived: Option<Instant>,
    pub(super) length: Duration,
    /// Whether there are samples that it was not solved with.
    pub(super) news: bool,
    /// Whether there are samples at all that it could be solved with.
    pub(super) measured: bool,
    /// The tracker did not watch the newest interval as a whole.
    pub(super) partial: bool,
    /// The tracker does not answer.
    pub(super) unreachable: bool,
}

/// Why it is not solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Suspended,
    Waiting,
    Missing,
    Unreachable,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Solve now.
    Solve,
    /// It was solved for this interval.
    Wait(Duration),
    /// This interval is skipped; look again then, or when something happens.
    Skip(Why, Option<Duration>),
}

/// How long a table of a pool with this interval holds.
pub(super) fn holds(interval: Duration) -> Duration {
    (interval * HOLDS).clamp(HOLDS_LEAST, HOLDS_MOST)
}

impl Moment {
    /// Decides.
    pub(super) fn step(&self) -> Step {
        if self.suspended {
            return Step::Skip(Why::Suspended, None);
        }
        let patience = self.interval.max(self.length).mul_f64(1.5) + LATE;
        let stale = self.arrived.unwrap_or(self.began) + patience;
        if self.now >= stale {
            let why = if self.unreachable { Why::Unreachable } else { Why::Missing };
            // A new one that nobody announced yet is waited for, however long its interval is.
            let why = if self.arrived.is_none() && why == Why::Missing { Why::Waiting } else { why };
            return Step::Skip(why, None);
        }
        let left = stale - self.now;
        if !self.measured {
            let why = match (self.unreachable, self.partial) {
                (true, _) => Why::Unreachable,
                (false, true) => Why::Missing,
                (false, false) => Why::Waiting,
            };
            return Step::Skip(why, Some(left));
        }
        if self.partial {
            return Step::Skip(Why::Missing, Some(left));
        }
        let Some(solved) = self.solved.filter(|_| self.current) else { return Step::Solve };
        // Samples and solutions run on two clocks: what comes a little early is not put off by an interval.
        let due = solved + if self.news { self.interval.mul_f64(0.75) } else { self.due_without_news(solved) };
        match due.checked_duration_since(self.now) {
            Some(wait) if !wait.is_zero() => Step::Wait(wait.min(left)),
            _ => Step::Solve,
        }
    }

    /// The samples of the interval that has just ended are worth a moment.
    fn due_without_news(&self, solved: Instant) -> Duration {
        let expected = self.arrived.map_or(self.now, |arrived| arrived + self.length + LATE);
        let expected = expected.saturating_duration_since(solved);
        expected.clamp(self.interval, self.interval.mul_f64(1.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn moment(now: Instant) -> Moment {
        Moment {
            now,
            interval: seconds(300),
            suspended: false,
            began: now.checked_sub(seconds(900)).unwrap_or(now),
            solved: now.checked_sub(seconds(100)),
            current: true,
            arrived: now.checked_sub(seconds(100)),
            length: seconds(300),
            news: false,
            measured: true,
            partial: false,
            unreachable: false,
        }
    }

    #[test]
    fn it_is_solved_once_an_interval_and_at_once_for_another_spec() {
        let now = Instant::now() + seconds(10_000);
        assert_eq!(moment(now).step(), Step::Wait(seconds(205)));
        assert_eq!(Moment { current: false, ..moment(now) }.step(), Step::Solve);
        let old = Moment { solved: now.checked_sub(seconds(290)), news: true, ..moment(now) };
        assert_eq!(old.step(), Step::Solve, "samples that come a little early are taken");
        let fresh = Moment { solved: now.checked_sub(seconds(90)), news: true, ..moment(now) };
        assert_eq!(fresh.step(), Step::Wait(seconds(135)));
        // Without new samples it waits a moment for them, not for ever.
        let late = |ago| Moment {
            solved: now.checked_sub(seconds(ago)),
            arrived: now.checked_sub(seconds(ago)),
            ..moment(now)
        };
        assert_eq!((late(301).step(), late(306).step()), (Step::Wait(seconds(4)), Step::Solve));
    }

    #[test]
    fn a_tracker_with_longer_intervals_does_not_slow_a_pool_down() {
        let now = Instant::now() + seconds(10_000);
        let quick = Moment { interval: seconds(10), solved: now.checked_sub(seconds(15)), ..moment(now) };
        assert_eq!(quick.step(), Step::Solve);
        assert_eq!(Moment { arrived: now.checked_sub(seconds(400)), ..quick.clone() }.step(), Step::Solve);
        let stale = Moment { arrived: now.checked_sub(seconds(460)), ..quick };
        assert_eq!(stale.step(), Step::Skip(Why::Missing, None));
    }

    #[test]
    fn what_is_not_measured_is_not_solved_for() {
        let now = Instant::now() + seconds(10_000);
        let silent = Moment { arrived: now.checked_sub(seconds(1000)), ..moment(now) };
        assert_eq!(silent.step(), Step::Skip(Why::Missing, None));
        assert_eq!(Moment { unreachable: true, ..silent }.step(), Step::Skip(Why::Unreachable, None));
        let first = Moment { arrived: None, measured: false, began: now, ..moment(now) };
        assert_eq!(first.step(), Step::Skip(Why::Waiting, Some(seconds(455))));
        assert_eq!(Moment { suspended: true, ..moment(now) }.step(), Step::Skip(Why::Suspended, None));
        assert!(matches!(Moment { partial: true, ..moment(now) }.step(), Step::Skip(Why::Missing, Some(_))));
    }

    #[test]
    fn tables_hold_for_three_intervals_within_bounds() {
        assert_eq!([5, 60, 3600].map(|s| holds(seconds(s)).as_secs()), [30, 180, 3600]);
    }
}
