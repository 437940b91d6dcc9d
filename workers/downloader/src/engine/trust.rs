//! Who may write, and what follows when the bytes are wrong. Pure.
//!
//! With a digest every source writes at once, because the digest proves the whole. Without one, bytes of two sources are never mixed:
//! one source is followed from end to end, pinned by what it says of its content's state. A failed digest with several writers has an
//! odd one among them: each in turn is followed alone, keeping what it wrote itself, until the digest holds.

use videocloud_protocol::content::Verification;

use super::Candidate;
use super::ledger::Ledger;
use crate::schedule::SourceId;

/// The rule a download goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// A digest proves the whole; everybody writes.
    Proven,
    /// A digest proves the whole and did not hold for a mixture; this one writes alone.
    Alone(SourceId),
    /// Nothing proves the whole; one writes from end to end.
    Pinned,
}

impl Trust {
    pub(super) const fn verification(self) -> Verification {
        match self {
            Self::Proven | Self::Alone(_) => Verification::Digest,
            Self::Pinned => Verification::SingleSource,
        }
    }

    /// Who may write now; empty when nobody is left.
    pub(super) fn writers(self, candidates: &[Candidate], ledger: &Ledger) -> Vec<SourceId> {
        let usable = |id: SourceId| ledger.get(id).is_some_and(|account| !account.banned && !account.given_up);
        match self {
            Self::Proven => ledger.ids().filter(|&id| usable(id)).collect(),
            Self::Alone(id) => Some(id).filter(|&id| usable(id)).into_iter().collect(),
            Self::Pinned => {
                let rank = |id: &SourceId| {
                    let written = ledger.get(*id).map_or(0, |account| account.spans.total());
                    let priority = candidates.get(id.0 as usize).map_or(0, |candidate| candidate.priority);
                    (written, priority, std::cmp::Reverse(*id))
                };
                ledger.ids().filter(|&id| usable(id)).max_by_key(rank).into_iter().collect()
            }
        }
    }
}

/// The next to be followed alone after the digest did not hold: of those that wrote something, the one with the most bytes that
/// was not `tried` yet.
pub(super) fn next_alone(ledger: &Ledger, tried: &[SourceId]) -> Option<SourceId> {
    let written = |id: &SourceId| ledger.get(*id).map_or(0, |account| account.spans.total());
    ledger
        .ids()
        .filter(|id| !tried.contains(id))
        .filter(|&id| ledger.get(id).is_some_and(|account| !account.banned && !account.given_up))
        .max_by_key(|id| (written(id), std::cmp::Reverse(*id)))
}
