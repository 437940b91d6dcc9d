//! What follows when the digest does not hold, or nobody is left who could give what is believed: somebody is wrong, and here is
//! decided who. How a download goes otherwise is [`super::fetch`]'s business.

use std::sync::Arc;

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::fetch::{Download, strongest};
use super::trust::{Trust, next_alone};
use super::{samples, sizes};
use crate::schedule::SpanSet;

impl Download<'_> {
    /// The digest does not hold for a mixture: drops the mirrors whose samples or sizes are odd, and what they wrote. False when none
    /// is found.
    pub(super) async fn expose(&mut self) -> bool {
        let described = self.crew.description.as_ref();
        if self.trust != Trust::Proven || described.is_some_and(|known| known.pieces.is_some()) {
            return false;
        }
        let fixed = self.order.size.or(described.and_then(|known| known.size));
        if let (None, Some(other)) = (fixed, sizes::other(&self.crew.ledger, self.size)) {
            for id in sizes::of(&self.crew.ledger, self.size) {
                self.crew.ban(id, "the digest does not hold for a content of its size");
            }
            self.resize(other);
            return true;
        }
        let usable = self.crew.sources().into_iter().filter(|id| self.crew.ledger.usable(*id));
        let sources: Vec<_> = usable.filter_map(|id| Some((id, Arc::clone(&self.crew.member(id)?.source)))).collect();
        let odd = samples::odd_ones(self.size.unwrap_or_default(), sources).await;
        for &id in &odd {
            tracing::warn!(source = id.0, "samples of this source are not those of the others");
            self.crew.ban(id, "samples of its bytes are not those of the other sources");
            self.crew.ledger.forget(id);
        }
        self.running.reset();
        !odd.is_empty()
    }

    /// The content has `size` bytes: what sources of other sizes wrote is void, those of this size may be asked again.
    pub(super) fn resize(&mut self, size: u64) {
        tracing::warn!(size, "another size is believed");
        self.size = Some(size);
        self.running.reset();
        for id in self.crew.ledger.ids() {
            let Some(account) = self.crew.ledger.get_mut(id) else { continue };
            match account.size {
                Some(said) if said != size => {
                    account.given_up = true;
                    account.failure = Some(sizes::odd(said, size));
                    self.crew.ledger.forget(id);
                }
                Some(_) if account.failure.as_ref().is_some_and(|error| error.reason == reason::SIZE_MISMATCH) => {
                    account.given_up = false;
                    account.failure = None;
                }
                _ => {}
            }
        }
    }

    /// The digest does not hold: follow another alone, or give up.
    pub(super) fn distrust(&mut self, actual: &str) -> Result<(), Failure> {
        self.running.reset();
        let writers = self.crew.ledger.writers();
        if let [only] = writers[..] {
            self.crew.ban(only, "the digest of its bytes is not the one asked for");
            self.tried.push(only);
            self.crew.ledger.forget(only);
        }
        let proven = self.crew.description.as_ref().is_some_and(|known| known.pieces.is_some());
        match next_alone(&self.crew, &self.tried).filter(|_| !proven) {
            Some(next) => {
                tracing::warn!(source = next.0, "the digest does not hold, following one source alone");
                for id in self.crew.ledger.ids().filter(|id| *id != next) {
                    self.crew.ledger.forget(id);
                }
                self.trust = Trust::Alone(next);
                Ok(())
            }
            None if self.disown() => Ok(()),
            None => {
                let described = self.crew.description.as_ref().and_then(|known| strongest(&known.digests));
                let wanted = self.order.digest.as_ref().or(described).map(ToString::to_string).unwrap_or_default();
                let message = format!(
                    "the content has {actual}, not the {wanted} that was asked for; correct the digest or the links"
                );
                Err(Failure::new(FailureClass::BadInput, reason::DIGEST_MISMATCH, message))
            }
        }
    }

    /// Nobody of those who may write is left: the next one alone, or the end.
    pub(super) fn follow_next(&mut self) -> Result<(), Failure> {
        if let Trust::Alone(id) = self.trust {
            self.running.reset();
            self.tried.push(id);
            self.crew.ledger.forget(id);
            if let Some(next) = next_alone(&self.crew, &self.tried) {
                self.trust = Trust::Alone(next);
                return Ok(());
            }
        }
        if self.try_other_size() || self.disown() {
            return Ok(());
        }
        Err(self.no_source_left())
    }

    /// Nobody can give all of a content of the size that was believed, but others were dropped because they say another: theirs is
    /// believed now. False when there is none.
    pub(super) fn try_other_size(&mut self) -> bool {
        let described = self.crew.description.as_ref().and_then(|known| known.size);
        if self.order.size.or(described).is_some() {
            return false;
        }
        self.sizes.extend(self.size);
        let Some(size) = sizes::untried(&self.crew.ledger, &self.sizes) else { return false };
        self.resize(size);
        true
    }

    /// Nobody gives what the piece hashes of a description say, or all of it has another digest than the one asked for: a description
    /// that only its server vouches for is wrong then, and with it all that it led to. False when there is none.
    fn disown(&mut self) -> bool {
        if self.order.digest.is_none() || !self.crew.disown() {
            return false;
        }
        tracing::warn!("the piece hashes of a description are not those of the content with this digest");
        self.running.reset();
        self.earlier = None;
        self.proven = SpanSet::default();
        self.size = self.order.size;
        self.tried.clear();
        self.trust = Trust::Proven;
        true
    }
}
