//! The whole of a download: rounds until the bytes are there, then verification, then publication.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::content::ContentManifest;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::{Published, Staging, Store};

use super::ledger::Ledger;
use super::round::{End, Round};
use super::status::{Stage, Status};
use super::trust::{Trust, next_alone};
use super::{Fetched, Order, checkpoint, stored};
use crate::schedule::{Fault, Scheduler, SourceId, SourceSpec, Standing};
use crate::verify::{self, Verdict};

/// Times the content behind one source may change before it is given up.
const MAX_CHANGES: u32 = 3;
/// First pause before sources that may come back are asked again; doubles to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Fetches, verifies and publishes `order` into `store`. `status` shows how far it is; `stop` ends it with a checkpoint.
///
/// # Errors
/// [`Failure`], ready to be reported: its class says whether another try makes sense.
pub async fn fetch(
    order: &Order,
    store: &Store,
    status: &Status,
    stop: &CancellationToken,
) -> Result<Fetched, Failure> {
    if let Some(content) = known(order, store, stop).await {
        return Ok(Fetched { content, deduplicated: true, revalidated: true });
    }
    let staging = Arc::new(store.stage(&order.key).await.map_err(|error| stored(&error))?);
    let mut download = Download::open(order, Arc::clone(&staging), status, stop);
    let fetched = download.run().await;
    let discard = matches!(&fetched, Err(failure) if failure.class == FailureClass::BadInput);
    if discard && let Err(error) = staging.discard().await {
        tracing::warn!(%error, "wrong bytes are left in staging for the janitor");
    }
    fetched
}

/// A content the store has and a link is confirmed to lead to, by one request.
async fn known(order: &Order, store: &Store, stop: &CancellationToken) -> Option<ContentManifest> {
    for known in &order.known {
        let candidate = order.candidates.iter().find(|candidate| candidate.link == known.link)?;
        let probed = tokio::select! {
            () = stop.cancelled() => return None,
            probed = tokio::time::timeout(Duration::from_secs(20), candidate.source.probe()) => probed.ok()?.ok()?,
        };
        let tag = known.etag.as_ref().filter(|tag| !tag.starts_with("W/"));
        let same_tag = tag.is_some() && tag == probed.validator.etag.as_ref();
        let same_date = known.last_modified.is_some() && known.last_modified == probed.validator.last_modified;
        if probed.size == Some(known.size) && (same_tag || tag.is_none() && same_date) {
            match store.manifest(&known.content).await {
                Ok(manifest) => return Some(manifest),
                Err(error) => tracing::info!(%error, "a known content is not in the store"),
            }
        }
    }
    None
}

struct Download<'a> {
    order: &'a Order,
    staging: Arc<Staging>,
    status: &'a Status,
    stop: &'a CancellationToken,
    ledger: Ledger,
    size: Option<u64>,
    trust: Trust,
    tried: Vec<SourceId>,
    heard: Instant,
}

impl<'a> Download<'a> {
    fn open(order: &'a Order, staging: Arc<Staging>, status: &'a Status, stop: &'a CancellationToken) -> Self {
        let mut ledger = Ledger::new(order.candidates.iter().map(|each| (each.name.clone(), each.link.clone())));
        let proven = order.digest.is_some();
        let found = staging.load_checkpoint();
        let size = found.and_then(|found| checkpoint::restore(&found.state, &found.kept, proven, &mut ledger));
        let trust = if proven { Trust::Proven } else { Trust::Pinned };
        let heard = Instant::now();
        Self { order, staging, status, stop, ledger, size: order.size.or(size), trust, tried: Vec::new(), heard }
    }

    async fn run(&mut self) -> Result<Fetched, Failure> {
        let mut changes = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let writers = self.trust.writers(&self.order.candidates, &self.ledger);
            if writers.is_empty() {
                self.follow_next()?;
                continue;
            }
            let before = self.heard;
            match self.round(&writers).await? {
                End::Complete => match self.verify(&writers).await? {
                    Verdict::Good(manifest) => return self.publish(manifest).await,
                    Verdict::WrongDigest(actual) => self.distrust(&actual)?,
                    Verdict::Bad(failure) => return Err(failure),
                },
                End::Changed(id) => {
                    changes += 1;
                    self.ledger.forget(id);
                    self.size = self.order.size;
                    if changes >= MAX_CHANGES
                        && let Some(account) = self.ledger.get_mut(id)
                    {
                        account.given_up = true;
                    }
                }
                End::Exhausted => {
                    if self.heard != before {
                        pause = FIRST_PAUSE;
                    }
                    if !self.may_come_back(&writers) {
                        self.give_up(&writers);
                    } else if !self.wait(pause).await {
                        return Err(interrupted());
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                End::Stopped => return Err(interrupted()),
                End::NoProgress => return Err(self.stalled()),
            }
        }
    }

    async fn round(&mut self, writers: &[SourceId]) -> Result<End, Failure> {
        // A digest judges whatever lies there; without one only the writer's own bytes count.
        let authors = if self.trust == Trust::Proven { self.ledger.writers() } else { writers.to_vec() };
        let done = self.ledger.written_by(&authors);
        let mut scheduler = Scheduler::new(self.order.settings.clone(), self.size, done, rand::random());
        for (id, candidate) in self.ledger.ids().zip(&self.order.candidates) {
            let standing = if writers.contains(&id) { Standing::Active } else { Standing::Standby };
            let lanes = usize::try_from(self.order.limits.connections_per_host).unwrap_or(usize::MAX).max(1);
            let priority = u32::MAX - candidate.priority.max(0).unsigned_abs();
            let spec = SourceSpec { host: candidate.source.host(), priority, lanes, longest: None, holds: None };
            scheduler.add(id, spec, standing);
        }
        let (order, status, stop) = (self.order, self.status, self.stop);
        let (ledger, heard) = (&mut self.ledger, &mut self.heard);
        let round = Round { order, staging: &self.staging, scheduler, ledger, status, stop, heard };
        let (end, size) = round.run().await?;
        self.size = self.order.size.or(size);
        Ok(end)
    }

    async fn verify(&mut self, writers: &[SourceId]) -> Result<Verdict, Failure> {
        self.status.enter(Stage::Verifying);
        let size = self.size.unwrap_or_default();
        tracing::info!(size, sources = writers.len(), "every byte is there, verifying");
        let hashing = verify::verify(&self.staging, size, self.order, self.trust.verification(), self.status);
        tokio::select! {
            () = self.stop.cancelled() => Err(interrupted()),
            verdict = hashing => verdict,
        }
    }

    /// The digest does not hold: follow another alone, or give up.
    fn distrust(&mut self, actual: &str) -> Result<(), Failure> {
        let writers = self.ledger.writers();
        if let [only] = writers[..] {
            let Some(account) = self.ledger.get_mut(only) else { return Ok(()) };
            account.banned = true;
            self.tried.push(only);
            self.ledger.forget(only);
        }
        match next_alone(&self.ledger, &self.tried) {
            Some(next) => {
                tracing::warn!(source = next.0, "the digest does not hold, following one source alone");
                for id in self.ledger.ids().filter(|id| *id != next) {
                    self.ledger.forget(id);
                }
                self.trust = Trust::Alone(next);
                Ok(())
            }
            None => {
                let wanted = self.order.digest.as_ref().map(ToString::to_string).unwrap_or_default();
                let message = format!(
                    "the content has {actual}, not the {wanted} that was asked for; correct the digest or the links"
                );
                Err(Failure::new(FailureClass::BadInput, reason::DIGEST_MISMATCH, message))
            }
        }
    }

    /// Nobody of those who may write is left: the next one alone, or the end.
    fn follow_next(&mut self) -> Result<(), Failure> {
        if let Trust::Alone(id) = self.trust {
            self.tried.push(id);
            self.ledger.forget(id);
            if let Some(next) = next_alone(&self.ledger, &self.tried) {
                self.trust = Trust::Alone(next);
                return Ok(());
            }
        }
        Err(self.no_source_left())
    }

    /// Whether one of `writers` failed in a way that passes, and it is not too late.
    fn may_come_back(&self, writers: &[SourceId]) -> bool {
        let passes = |id: &SourceId| {
            self.ledger.get(*id).is_some_and(|account| {
                let failure = account.failure.as_ref();
                !account.given_up
                    && failure
                        .is_none_or(|error| error.fault != Fault::Gone && error.reason != reason::NAME_NOT_RESOLVED)
            })
        };
        self.heard.elapsed() < self.order.patience && writers.iter().any(passes)
    }

    fn give_up(&mut self, writers: &[SourceId]) {
        for &id in writers {
            if let Some(account) = self.ledger.get_mut(id) {
                account.given_up = true;
            }
            // Without a digest the next one starts from its own bytes.
            if self.trust == Trust::Pinned {
                self.ledger.forget(id);
                self.size = self.order.size;
            }
        }
    }

    /// Waits, with jitter; false when told to stop.
    async fn wait(&self, pause: Duration) -> bool {
        let pause = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        tracing::info!(?pause, "no source answers, asking again");
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    async fn publish(&self, mut manifest: ContentManifest) -> Result<Fetched, Failure> {
        self.status.enter(Stage::Publishing);
        manifest.created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let published = self.staging.publish(&manifest).await.map_err(|error| stored(&error))?;
        Ok(match published {
            Published::New => Fetched { content: manifest, deduplicated: false, revalidated: false },
            Published::AlreadyThere(content) => Fetched { content, deduplicated: true, revalidated: false },
        })
    }

    fn no_source_left(&self) -> Failure {
        let failures: Vec<_> = self.ledger.iter().filter_map(|(_, account)| account.failure.as_ref()).collect();
        let Some(first) = failures.first() else {
            let refused = self.order.refused.first();
            let word = refused.and_then(|report| report.reason.as_deref()).unwrap_or(reason::UNREACHABLE);
            let message =
                refused.and_then(|report| report.message.as_deref()).unwrap_or("no source can be fetched from");
            return Failure::new(FailureClass::SourceFailed, word, message);
        };
        let class = match first.reason {
            reason::SIZE_MISMATCH | reason::TOO_LARGE | reason::EMPTY | reason::NOT_MEDIA => FailureClass::BadInput,
            _ => FailureClass::SourceFailed,
        };
        let message = match &failures[..] {
            [only] => only.message.clone(),
            all => {
                let each: Vec<&str> = all.iter().map(|error| error.message.as_str()).collect();
                format!("none of {} sources is left: {}", all.len(), each.join("; "))
            }
        };
        Failure::new(class, first.reason, message)
    }

    fn stalled(&self) -> Failure {
        let seconds = self.order.limits.progress_deadline_seconds;
        let last = self.ledger.iter().find_map(|(_, account)| account.failure.as_ref());
        let last = last.map_or_else(String::new, |error| format!(" (last: {error})"));
        let message =
            format!("no source gave one new byte for {seconds} s{last}; add a source, or ask for a retry later");
        Failure::new(FailureClass::Stalled, reason::DEADLINE_EXCEEDED, message)
    }
}

fn interrupted() -> Failure {
    let message = "told to stop; what was fetched is kept and the next try goes on from there";
    Failure::new(FailureClass::Interrupted, reason::INTERRUPTED, message)
}
