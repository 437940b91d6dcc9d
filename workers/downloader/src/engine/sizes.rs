//! Which length a content has when its sources do not agree. Pure.

use std::collections::BTreeMap;

use videocloud_protocol::failure::reason;

use super::ledger::Ledger;
use crate::schedule::SourceId;
use crate::source::SourceError;

/// Votes for each size of those that were not found lying.
fn votes(ledger: &Ledger) -> BTreeMap<u64, usize> {
    let mut votes = BTreeMap::new();
    for (_, account) in ledger.iter().filter(|(_, account)| !account.banned) {
        if let Some(size) = account.size {
            *votes.entry(size).or_default() += 1;
        }
    }
    votes
}

/// The size that more sources say than any other.
pub(super) fn majority(ledger: &Ledger) -> Option<u64> {
    let votes = votes(ledger);
    let most = votes.values().copied().max()?;
    let mut first = votes.into_iter().filter(|(_, count)| *count == most);
    let (size, _) = first.next()?;
    first.next().is_none().then_some(size)
}

/// The size that most say beside `believed`, if it is what any says.
pub(super) fn other(ledger: &Ledger, believed: Option<u64>) -> Option<u64> {
    let votes = votes(ledger).into_iter().filter(|(size, _)| Some(*size) != believed);
    votes.max_by_key(|(size, count)| (*count, *size)).map(|(size, _)| size)
}

/// The size that most say of those that were dropped for it and are not among `tried`.
pub(super) fn untried(ledger: &Ledger, tried: &[u64]) -> Option<u64> {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, account) in ledger.iter().filter(|(_, account)| !account.banned) {
        let dropped = account.failure.as_ref().is_some_and(|error| error.reason == reason::SIZE_MISMATCH);
        if let Some(size) = account.size.filter(|size| dropped && !tried.contains(size)) {
            *votes.entry(size).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(size, count)| (*count, *size)).map(|(size, _)| size)
}

/// Who says `size`.
pub(super) fn of(ledger: &Ledger, size: Option<u64>) -> Vec<SourceId> {
    ledger.iter().filter(|(_, account)| account.size.is_some() && account.size == size).map(|(id, _)| id).collect()
}

/// What is wrong with a source that has `said` bytes where `size` are right.
pub(super) fn odd(said: u64, size: u64) -> SourceError {
    SourceError::gone(reason::SIZE_MISMATCH, format!("the source has {said} bytes, {size} are expected"))
}

/// What is wrong with a source whose content has more than `limit` bytes.
pub(super) fn too_large(limit: u64) -> SourceError {
    let message = format!("the content has more than the {limit} bytes a download may have");
    SourceError::gone(reason::TOO_LARGE, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn most_sources_decide_and_a_tie_does_not() {
        let mut ledger = Ledger::default();
        let ids: Vec<SourceId> = (0..3).map(|number| ledger.add(number.to_string(), None, None)).collect();
        let say = |ledger: &mut Ledger, at: usize, size| ledger.get_mut(ids[at]).unwrap().size = Some(size);
        assert_eq!(majority(&ledger), None);
        say(&mut ledger, 0, 5);
        assert_eq!(majority(&ledger), Some(5));
        say(&mut ledger, 1, 7);
        assert_eq!((majority(&ledger), other(&ledger, Some(5))), (None, Some(7)));
        say(&mut ledger, 2, 7);
        assert_eq!((majority(&ledger), of(&ledger, Some(7))), (Some(7), vec![ids[1], ids[2]]));
        ledger.failed(ids[0], odd(5, 7));
        assert_eq!((untried(&ledger, &[7]), untried(&ledger, &[7, 5])), (Some(5), None));
        ledger.ban(ids[1], "");
        ledger.ban(ids[2], "");
        assert_eq!((majority(&ledger), other(&ledger, Some(5))), (Some(5), None));
    }
}
