//! Whether a replica may take or renew the Lease. No I/O and no wall clock: a lease has run out when this replica has seen no
//! change for its duration on its own monotonic clock, so that clocks of machines may differ.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// What was read of a Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    holder: String,
    version: String,
    duration: Duration,
}

impl Observed {
    pub(super) fn of(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|s| u64::try_from(s).ok());
        Self {
            holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            duration: Duration::from_secs(seconds.unwrap_or(0)),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Somebody else holds it.
    Wait,
    /// It is ours: renew it.
    Renew,
    /// It is nobody's, or its holder has been silent for too long.
    Take,
}

/// One replica's view of the Lease over time.
#[derive(Debug)]
pub(super) struct Term {
    identity: String,
    duration: Duration,
    seen: Option<(Observed, Instant)>,
}

impl Term {
    pub(super) const fn new(identity: String, duration: Duration) -> Self {
        Self { identity, duration, seen: None }
    }

    /// Takes in what was read at `now`. The clock starts anew only when something changed.
    pub(super) fn observe(&mut self, observed: Observed, now: Instant) {
        if self.seen.as_ref().is_none_or(|(old, _)| *old != observed) {
            self.seen = Some((observed, now));
        }
    }

    pub(super) fn holder(&self) -> &str {
        self.seen.as_ref().map_or("", |(observed, _)| &observed.holder)
    }

    pub(super) fn decide(&self, now: Instant) -> Move {
        let Some((observed, since)) = &self.seen else { return Move::Wait };
        if observed.holder == self.identity {
            return Move::Renew;
        }
        // A holder that was told another duration is given the longer one.
        let patience = self.duration.max(observed.duration);
        if observed.holder.is_empty() || now.duration_since(*since) >= patience { Move::Take } else { Move::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(holder: &str, version: &str) -> Observed {
        Observed { holder: holder.into(), version: version.into(), duration: Duration::from_secs(15) }
    }

    #[test]
    fn a_silent_holder_is_followed_after_its_duration_and_a_living_one_never() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut term = Term::new("me".into(), Duration::from_secs(15));
        assert_eq!(term.decide(start), Move::Wait, "nothing was read yet");
        term.observe(observed("other", "1"), start);
        assert_eq!(term.decide(at(14)), Move::Wait);
        term.observe(observed("other", "2"), at(14));
        assert_eq!(term.decide(at(28)), Move::Wait, "it was renewed at 14 s");
        term.observe(observed("other", "2"), at(28));
        assert_eq!(term.decide(at(29)), Move::Take);
    }

    #[test]
    fn an_empty_lease_is_taken_at_once_and_our_own_renewed() {
        let now = Instant::now();
        let mut term = Term::new("me".into(), Duration::from_secs(15));
        term.observe(observed("", "1"), now);
        assert_eq!(term.decide(now), Move::Take);
        term.observe(observed("me", "2"), now);
        assert_eq!(term.decide(now + Duration::from_secs(600)), Move::Renew);
    }
}
