//! Who may write, and what follows when the bytes are wrong. Pure.
//!
//! With a digest or piece hashes every source writes at once, because they prove the whole. Without, bytes of two sources are never
//! mixed: one source is followed from end to end, pinned by what it says of its content's state, and others are compared with it
//! ([`super::agreement`]). A failed digest with several writers
//! has an odd one among them: each in turn is followed alone, keeping what it wrote itself, until the digest holds.

use videocloud_protocol::content::Verification;

use super::crew::Crew;
use super::ledger::Ledger;
use crate::schedule::SourceId;

/// The rule a download goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// A digest proves the whole; everybody writes.
    Proven,
    /// Piece hashes prove every piece; everybody writes.
    Pieces,
    /// A digest proves the whole and did not hold for a mixture; this one writes alone.
    Alone(SourceId),
    /// Nothing proves the whole; one writes from end to end.
    Pinned,
}

impl Trust {
    pub(super) const fn verification(self) -> Verification {
        match self {
            Self::Proven | Self::Alone(_) => Verification::Digest,
            Self::Pieces => Verification::PieceHashes,
            Self::Pinned => Verification::SingleSource,
        }
    }

    /// Whether bytes of several writers may stand side by side.
    pub(super) const fn mixes(self) -> bool {
        matches!(self, Self::Proven | Self::Pieces)
    }

    /// Who may write now; empty when nobody is left.
    pub(super) fn writers(self, crew: &Crew) -> Vec<SourceId> {
        let ledger = &crew.ledger;
        let usable: Vec<SourceId> = crew.sources().into_iter().filter(|&id| ledger.usable(id)).collect();
        match self {
            Self::Proven | Self::Pieces => usable,
            Self::Alone(id) => usable.into_iter().filter(|&usable| usable == id).collect(),
            Self::Pinned => {
                let rank = |id: &SourceId| {
                    let written = ledger.spans_of(*id).total();
                    let priority = crew.member(*id).map_or(0, |member| member.priority);
                    (written, priority, std::cmp::Reverse(*id))
                };
                usable.into_iter().max_by_key(rank).into_iter().collect()
            }
        }
    }
}

/// The next to be followed alone after the digest did not hold: of those that wrote something, the one with the most bytes that
/// was not `tried` yet.
pub(super) fn next_alone(crew: &Crew, tried: &[SourceId]) -> Option<SourceId> {
    let ledger: &Ledger = &crew.ledger;
    let open = crew.sources().into_iter().filter(|id| !tried.contains(id) && ledger.usable(*id));
    open.max_by_key(|id| (ledger.spans_of(*id).total(), std::cmp::Reverse(*id)))
}
