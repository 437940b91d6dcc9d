//! Who wrote which byte of the staging area, and what each source did. Pure.

use videocloud_protocol::link::Link;
use videocloud_protocol::task::{SourceReport, SourceState};

use crate::schedule::{Fault, SourceId, Span, SpanSet};
use crate::source::{SourceError, Validator};

/// What is known of one source.
#[derive(Debug, Clone)]
pub(super) struct Account {
    name: String,
    pub(super) link: Link,
    /// Bytes of the staging area that it wrote last.
    pub(super) spans: SpanSet,
    /// State of the content at the source when its first byte came.
    pub(super) validator: Option<Validator>,
    /// What it did wrong last.
    pub(super) failure: Option<SourceError>,
    /// It gave wrong bytes.
    pub(super) banned: bool,
    /// It will not be asked again, because of its failure.
    pub(super) given_up: bool,
    /// Lanes that fetch from it now.
    pub(super) lanes: usize,
    /// Bytes it delivered to this process.
    bytes: u64,
}

/// All accounts, numbered as the scheduler numbers sources.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
}

impl Ledger {
    pub(super) fn new(sources: impl IntoIterator<Item = (String, Link)>) -> Self {
        let accounts = sources.into_iter().map(|(name, link)| Account {
            name,
            link,
            spans: SpanSet::default(),
            validator: None,
            failure: None,
            banned: false,
            given_up: false,
            lanes: 0,
            bytes: 0,
        });
        Self { accounts: accounts.collect() }
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

    /// Source `id` wrote `span`, over whatever another wrote there.
    pub(super) fn wrote(&mut self, id: SourceId, span: Span) {
        for account in &mut self.accounts {
            account.spans.remove(span);
        }
        if let Some(account) = self.get_mut(id) {
            account.spans.insert(span);
            account.bytes += span.len();
            account.failure = None;
        }
    }

    /// Bytes written by any of `sources`.
    pub(super) fn written_by(&self, sources: &[SourceId]) -> SpanSet {
        sources.iter().filter_map(|&id| self.get(id)).flat_map(|account| account.spans.iter()).collect()
    }

    /// Sources that wrote something that still stands.
    pub(super) fn writers(&self) -> Vec<SourceId> {
        self.iter().filter(|(_, account)| !account.spans.is_empty()).map(|(id, _)| id).collect()
    }

    /// Forgets what `id` wrote and in which state the content was there.
    pub(super) fn forget(&mut self, id: SourceId) {
        if let Some(account) = self.get_mut(id) {
            account.spans = SpanSet::default();
            account.validator = None;
        }
    }

    pub(super) fn failed(&mut self, id: SourceId, error: SourceError) {
        if let Some(account) = self.get_mut(id) {
            account.given_up |= matches!(error.fault, Fault::Gone);
            account.failure = Some(error);
        }
    }

    /// What each source did, for reports.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        self.accounts.iter().map(Account::report).collect()
    }
}

impl Account {
    fn report(&self) -> SourceReport {
        let state = match (self.banned, &self.failure, self.lanes, self.bytes) {
            (true, ..) => SourceState::Banned,
            (_, Some(_), 0, _) if self.given_up => SourceState::Failed,
            (_, _, 1.., _) => SourceState::Active,
            (_, Some(_), ..) | (_, None, 0, 1..) => SourceState::Idle,
            _ => SourceState::Waiting,
        };
        let validator = self.validator.clone().unwrap_or_default();
        SourceReport {
            name: self.name.clone(),
            link: self.link.clone(),
            state,
            reason: self.failure.as_ref().map(|error| error.reason.to_owned()),
            message: self.failure.as_ref().map(|error| error.message.clone()),
            bytes: self.bytes,
            etag: validator.etag,
            last_modified: validator.last_modified,
        }
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
        let mut ledger = Ledger::new([("a".to_owned(), link.clone()), ("b".to_owned(), link)]);
        ledger.wrote(SourceId(0), span(0, 100));
        ledger.wrote(SourceId(1), span(40, 60));
        assert_eq!(ledger.get(SourceId(0)).unwrap().spans.total(), 80);
        assert_eq!(ledger.written_by(&[SourceId(1)]).iter().collect::<Vec<_>>(), [span(40, 60)]);
        assert_eq!(ledger.writers(), [SourceId(0), SourceId(1)]);
        ledger.forget(SourceId(0));
        assert_eq!(ledger.writers(), [SourceId(1)]);
        let bytes: Vec<u64> = ledger.reports().iter().map(|report| report.bytes).collect();
        assert_eq!(bytes, [100, 20]);
    }
}
