//! Where comparisons meet the round they run beside.

use std::sync::Arc;

use tokio::time::Instant;
use videocloud_protocol::failure::reason;
use videocloud_store::StoreError;

use super::{Agreement, Finding, Means, Mirror};
use crate::engine::end::End;
use crate::engine::round::Round;
use crate::source::SourceError;

impl Round<'_> {
    /// Compares what is there with what other mirrors have.
    pub(in crate::engine) fn compare(&mut self) {
        let (Some(agreement), Some(size)) = (&mut self.agreement, self.scheduler.size()) else { return };
        let others = self.crew.sources().into_iter().filter(|id| *id != agreement.followed);
        let usable = others.filter(|id| self.crew.ledger.usable(*id));
        let mirrors = usable.filter_map(|id| Some(Mirror { id, source: Arc::clone(&self.crew.member(id)?.source) }));
        let busy = |host: &str| self.scheduler.connections_to(host);
        let means = Means { staging: self.staging, throttle: self.throttle, hosts: &self.order.hosts };
        agreement.start(mirrors.collect(), self.scheduler.done(), size, &means, busy);
    }

    /// Whether a content that is complete is agreed upon, or never will be; a description that proves it may still come.
    pub(in crate::engine) fn is_agreed_or_never(&mut self) -> bool {
        self.compare();
        let size = self.scheduler.size().unwrap_or_default();
        let hopes = self.crew.searches() && self.crew.description.is_none();
        self.agreement.as_mut().is_none_or(|agreement| agreement.is_settled(size, hopes))
    }

    /// Takes in what a comparison found; an end when another source is to be followed.
    pub(in crate::engine) fn found(&mut self, finding: Finding) -> Option<End> {
        let followed = self.agreement.as_ref()?.followed;
        if let Some((id, bytes, size)) = finding.read
            && let Some(account) = self.crew.ledger.get_mut(id)
        {
            account.size = size.or(account.size);
            account.compared(bytes);
            *self.heard = if bytes > 0 { Instant::now() } else { *self.heard };
            match finding.failure {
                // It may be followed all the same.
                Some(error) if error.reason == reason::UNSUPPORTED_SOURCE => tracing::debug!(source = id.0, "{error}"),
                Some(error) => self.crew.ledger.failed(id, error),
                None => {}
            }
        }
        for id in finding.odd {
            tracing::warn!(source = id.0, "its bytes are not those of most mirrors");
            self.crew.ban(id, "its bytes are not those of most mirrors");
        }
        for id in finding.disagree {
            tracing::warn!(
                source = id.0,
                followed = followed.0,
                "its bytes are not those of the source that is followed"
            );
            let message =
                "its bytes are not those of the source that is followed, and nothing says who is right; give a digest";
            let error = SourceError::transient(reason::SOURCES_DISAGREE, message);
            self.crew.ledger.failed(id, error);
        }
        if finding.followed_is_odd {
            tracing::warn!(source = followed.0, "most mirrors have other bytes than the source that is followed");
            self.crew.ban(followed, "its bytes are not those of most mirrors");
            return Some(End::Changed(followed));
        }
        self.compare();
        None
    }
}

/// The next comparison that ended, for ever none when there is nothing to compare.
pub(in crate::engine) async fn compared(agreement: &mut Option<Agreement>) -> Result<Finding, StoreError> {
    match agreement {
        Some(agreement) => agreement.next().await,
        None => std::future::pending().await,
    }
}
