//! What each source did, and who wrote which byte of the staging area. Pure.

use videocloud_protocol::failure::reason;
use videocloud_protocol::link::Link;
use videocloud_protocol::task::{SourceReport, SourceState};

use super::owners::Owners;
use crate::schedule::{Fault, SourceId, Span, SpanSet};
use crate::source::{SourceError, Validator};

/// Bytes that a source may deliver in vain, beside as many as the content has (a server without ranges begins again).
const MAY_WASTE: u64 = 64 << 20;

/// What is known of one source.
#[derive(Debug, Clone)]
pub(super) struct Account {
    name: String,
    /// `None` for a source that a discovery found and no link names: it is shown as part of the discovery.
    pub(super) link: Option<Link>,
    /// The discovery that found it.
    pub(super) parent: Option<SourceId>,
    /// State of the content at the source when its first byte came.
    pub(super) validator: Option<Validator>,
    /// Length of the content as it said.
    pub(super) size: Option<u64>,
    /// What it did wrong last.
    pub(super) failure: Option<SourceError>,
    /// It gave wrong bytes.
    pub(super) banned: bool,
    /// It will not be asked again, because of its failure.
    pub(super) given_up: bool,
    /// Lanes that fetch from it now.
    pub(super) lanes: usize,
    /// How a discovery goes, for people.
    pub(super) note: Option<String>,
    /// Bytes it delivered to this process.
    bytes: u64,
    /// Bytes it delivered that do not count: wrong, twice, or beyond what was asked.
    wasted: u64,
}

/// All accounts, numbered as the scheduler numbers sources.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
    owners: Owners,
}

impl Ledger {
    /// Opens an account.
    pub(super) fn add(&mut self, name: String, link: Option<Link>, parent: Option<SourceId>) -> SourceId {
        let id = SourceId(u32::try_from(self.accounts.len()).unwrap_or(u32::MAX));
        self.accounts.push(Account {
            name,
            link,
            parent,
            validator: None,
            size: None,
            failure: None,
            banned: false,
            given_up: false,
            lanes: 0,
            note: None,
            bytes: 0,
            wasted: 0,
        });
        id
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        (0..u32::try_from(self.accounts.len()).unwrap_or(u32::MAX)).map(SourceId)
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&Account> {
        self.accounts.get(id.0 as usize)
    }

    pub(super) fn get_mut(&mut self, id: SourceId) -> Option<&mut Account> {
        self.accounts.get_mut(id.0 as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SourceId, &Account)> {
        self.ids().zip(&self.accounts)
    }

    /// Whether `id` may be asked, as far as its past goes.
    pub(super) fn usable(&self, id: SourceId) -> bool {
        self.get(id).is_some_and(|account| !account.banned && !account.given_up)
    }

    /// Source `id` wrote `span`, over whatever another wrote there.
    pub(super) fn wrote(&mut self, id: SourceId, span: Span) {
        self.owners.set(span, id);
        if let Some(account) = self.get_mut(id) {
            account.bytes += span.len();
            // What a lane brings beside the one that failed for good excuses nothing.
            account.failure.take_if(|_| !account.given_up);
        }
    }

    /// `span` holds bytes of `id` from an earlier process.
    pub(super) fn restore(&mut self, id: SourceId, span: Span) {
        self.owners.set(span, id);
    }

    /// Who wrote `within`, in order of offset.
    pub(super) fn writers_within(&self, within: Span) -> Vec<(SourceId, Span)> {
        self.owners.within(within)
    }

    /// What `id` wrote that still stands.
    pub(super) fn spans_of(&self, id: SourceId) -> SpanSet {
        self.owners.of(id)
    }

    /// Bytes written by any of `sources`.
    pub(super) fn written_by(&self, sources: &[SourceId]) -> SpanSet {
        self.owners.iter().filter(|(id, _)| sources.contains(id)).map(|(_, span)| span).collect()
    }

    /// Bytes written by anybody.
    pub(super) fn written(&self) -> SpanSet {
        self.owners.iter().map(|(_, span)| span).collect()
    }

    /// Sources that wrote something that still stands.
    pub(super) fn writers(&self) -> Vec<SourceId> {
        let mut ids: Vec<SourceId> = self.owners.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Forgets what `id` wrote and in which state the content was there.
    pub(super) fn forget(&mut self, id: SourceId) {
        let spans = self.spans_of(id);
        self.forget_spans(&spans);
        if let Some(account) = self.get_mut(id) {
            account.validator = None;
        }
    }

    /// Forgets who wrote `spans`: the bytes are void.
    pub(super) fn forget_spans(&mut self, spans: &SpanSet) {
        spans.iter().for_each(|span| self.owners.clear(span));
    }

    /// `id` delivered `bytes` that do not count. The error that follows when there were too many of those for a content of `size`.
    pub(super) fn wasted(&mut self, id: SourceId, bytes: u64, size: Option<u64>) -> Option<SourceError> {
        let account = self.get_mut(id)?;
        account.wasted = account.wasted.saturating_add(bytes);
        let most = size.unwrap_or(0).saturating_add(MAY_WASTE);
        (bytes > 0 && account.wasted > most).then(|| {
            let message =
                format!("it delivered {} bytes that do not count, more than the {most} it may", account.wasted);
            SourceError::gone(reason::WASTED_BYTES, message)
        })
    }

    pub(super) fn failed(&mut self, id: SourceId, error: SourceError) {
        if let Some(account) = self.get_mut(id) {
            account.given_up |= matches!(error.fault, Fault::Gone);
            account.failure = Some(error);
        }
    }

    /// The download has failed: whoever did something wrong is not asked again, and a discovery has failed by the last of those it found.
    pub(super) fn close(&mut self) {
        for child in 0..self.accounts.len() {
            let Account { parent, link, failure, .. } = &self.accounts[child];
            let (Some(parent), None, Some(failure)) = (*parent, link, failure.clone()) else { continue };
            if let Some(parent) = self.get_mut(parent) {
                parent.failure.get_or_insert(failure);
            }
        }
        self.accounts
            .iter_mut()
            .filter(|account| account.failure.is_some())
            .for_each(|account| account.given_up = true);
    }

    /// What judged so far, by hashes and size, is void: nobody is dropped because of it, and no byte stands.
    pub(super) fn acquit(&mut self) {
        self.owners = Owners::default();
        for account in &mut self.accounts {
            let size = account.failure.as_ref().is_some_and(|error| error.reason == reason::SIZE_MISMATCH);
            if account.banned || size {
                (account.banned, account.given_up, account.failure, account.validator) = (false, false, None, None);
            }
        }
    }

    /// It gave bytes that are proven wrong: it is not asked again.
    pub(super) fn ban(&mut self, id: SourceId, what: &str) {
        if let Some(account) = self.get_mut(id) {
            account.banned = true;
            account.failure = Some(SourceError::gone(reason::WRONG_BYTES, what));
        }
    }

    /// The download ends for want of sources: discoveries fail for what those did wrong whom they found, or for having found nobody.
    pub(super) fn close_discoveries(&mut self) {
        for id in self.ids() {
            let found = self.accounts.iter().filter(|account| account.parent == Some(id));
            let failure = found.filter_map(|account| account.failure.clone()).next();
            let Some(account) = self.get_mut(id).filter(|account| account.failure.is_none()) else { continue };
            let Some(note) = &account.note else { continue };
            let nobody = || {
                let help = "add a tracker, a peer or another link, or try again later";
                SourceError::transient(reason::UNREACHABLE, format!("nobody gave it ({note}): {help}"))
            };
            account.failure = Some(failure.unwrap_or_else(nobody));
            account.given_up = true;
        }
    }

    /// What each source did, for reports; sources without a link of their own count for the discovery that found them.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let mut reports: Vec<(SourceId, SourceReport)> =
            self.iter().filter_map(|(id, account)| Some((id, account.report()?))).collect();
        for (_, account) in self.iter().filter(|(_, account)| account.link.is_none()) {
            let Some((_, report)) = reports.iter_mut().find(|(id, _)| Some(*id) == account.parent) else { continue };
            report.bytes += account.bytes;
            if account.lanes > 0 {
                report.state = SourceState::Active;
            } else if account.bytes > 0 && report.state == SourceState::Waiting {
                report.state = SourceState::Idle;
            }
        }
        reports.into_iter().map(|(_, report)| report).collect()
    }
}

impl Account {
    /// It delivered bytes that were only compared with those of another.
    pub(super) fn compared(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn report(&self) -> Option<SourceReport> {
        let state = match (self.banned, &self.failure, self.lanes, self.bytes) {
            (true, ..) => SourceState::Banned,
            (_, Some(_), 0, _) if self.given_up => SourceState::Failed,
            (_, _, 1.., _) => SourceState::Active,
            (_, Some(_), ..) | (_, None, 0, 1..) => SourceState::Idle,
            _ => SourceState::Waiting,
        };
        let validator = self.validator.clone().unwrap_or_default();
        let message = self.failure.as_ref().map(|error| error.message.clone()).or_else(|| self.note.clone());
        Some(SourceReport {
            name: self.name.clone(),
            link: self.link.clone()?,
            state,
            reason: self.failure.as_ref().map(|error| error.reason.to_owned()),
            message,
            bytes: self.bytes,
            etag: validator.etag,
            last_modified: validator.last_modified,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span::new(start, end).unwrap()
    }

    #[test]
    fn each_byte_has_one_writer_the_last() {
        let link: Link = "http://a.example/x".parse().unwrap();
        let mut ledger = Ledger::default();
        let a = ledger.add("a".to_owned(), Some(link.clone()), None);
        let b = ledger.add("b".to_owned(), Some(link), None);
        ledger.wrote(a, span(0, 100));
        ledger.wrote(b, span(40, 60));
        assert_eq!(ledger.spans_of(a).total(), 80);
        assert_eq!(ledger.written_by(&[b]).iter().collect::<Vec<_>>(), [span(40, 60)]);
        assert_eq!(ledger.writers(), [a, b]);
        ledger.forget(a);
        assert_eq!(ledger.writers(), [b]);
        let bytes: Vec<u64> = ledger.reports().iter().map(|report| report.bytes).collect();
        assert_eq!(bytes, [100, 20]);
    }

    #[test]
    fn what_does_not_count_is_limited() {
        let mut ledger = Ledger::default();
        let a = ledger.add("a".to_owned(), None, None);
        assert!(ledger.wasted(a, MAY_WASTE, None).is_none());
        assert!(ledger.wasted(a, 0, None).is_none());
        assert!(ledger.wasted(a, 1000, Some(1000)).is_none());
        let error = ledger.wasted(a, 1, Some(1000)).unwrap();
        assert_eq!((error.fault, error.reason), (Fault::Gone, reason::WASTED_BYTES));
    }

    #[test]
    fn peers_are_shown_as_their_swarm() {
        let mut ledger = Ledger::default();
        let swarm = ledger.add("magnet".to_owned(), Some("magnet:?xt=urn:btih:00".parse().unwrap()), None);
        let peer = ledger.add("peer".to_owned(), None, Some(swarm));
        ledger.wrote(peer, span(0, 100));
        let reports = ledger.reports();
        assert_eq!((reports.len(), reports[0].bytes, reports[0].state), (1, 100, SourceState::Idle));
        ledger.failed(peer, SourceError::transient(reason::UNREACHABLE, "gone"));
        ledger.close();
        let reports = ledger.reports();
        assert_eq!((reports[0].state, reports[0].reason.as_deref()), (SourceState::Failed, Some(reason::UNREACHABLE)));
    }

    #[test]
    fn a_discovery_fails_for_whom_it_found_or_for_nobody() {
        let link: Link = "http://a.example/x".parse().unwrap();
        let mut ledger = Ledger::default();
        let alone = ledger.add("alone".to_owned(), Some(link.clone()), None);
        let found = ledger.add("found".to_owned(), Some(link), None);
        let peer = ledger.add("peer".to_owned(), None, Some(found));
        for id in [alone, found] {
            ledger.get_mut(id).unwrap().note = Some("no peer is known".to_owned());
        }
        ledger.get_mut(peer).unwrap().failure = Some(SourceError::gone(reason::WRONG_BYTES, "it lied"));
        ledger.close_discoveries();
        let said: Vec<_> = ledger.reports().into_iter().map(|report| (report.reason, report.message)).collect();
        assert_eq!(said[0].0.as_deref(), Some(reason::UNREACHABLE));
        assert!(said[0].1.as_deref().unwrap().contains("(no peer is known): add a tracker"), "{said:?}");
        assert_eq!(said[1], (Some(reason::WRONG_BYTES.to_owned()), Some("it lied".to_owned())));
    }
}
