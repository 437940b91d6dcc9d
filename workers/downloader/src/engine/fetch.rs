//! The whole of a download: rounds until the bytes are there, then verification, then publication.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::content::{ContentManifest, Verification};
use videocloud_protocol::digest::{Algorithm, Digest};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::{Published, Staging, Store};

use super::agreement::Agreement;
use super::checkpoint::{self, Earlier};
use super::crew::{Change, Crew};
use super::end::{End, Ended};
use super::lent::lend;
use super::proof::Proof;
use super::round::Round;
use super::status::{Stage, Status};
use super::throttle::Throttle;
use super::trust::Trust;
use super::{Fetched, Order, Way, stored};
use crate::schedule::{Fault, Scheduler, SourceId, SpanSet, Standing};
use crate::source::SourceError;
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
    if let Some(found) = staging.load_checkpoint().filter(|found| found.shown) {
        // Until it is proven anew nobody may read what may be written over.
        staging.checkpoint(&found.state).await.map_err(|error| stored(&error))?;
    }
    let mut download = Download::open(order, Arc::clone(&staging), status, stop);
    let fetched = download.run().await;
    download.crew.dismiss().await;
    if matches!(&fetched, Err(failure) if failure.class != FailureClass::Interrupted) {
        download.crew.ledger.close();
    }
    if fetched.is_err() {
        let mut sources = download.crew.ledger.reports();
        sources.extend(order.refused.iter().cloned());
        status.update(|now| now.sources = sources);
    }
    let nothing = download.earlier.is_none() && download.crew.ledger.written().is_empty();
    let discard = fetched.as_ref().is_err_and(|failure| match failure.class {
        FailureClass::BadInput => true,
        FailureClass::SourceFailed => nothing,
        _ => false,
    });
    if discard && let Err(error) = staging.discard().await {
        tracing::warn!(%error, "bytes of no use are left in staging for the janitor");
    }
    fetched
}

/// A content the store has and a link is confirmed to lead to, by one request.
async fn known(order: &Order, store: &Store, stop: &CancellationToken) -> Option<ContentManifest> {
    for known in &order.known {
        let candidate = order.candidates.iter().find(|candidate| candidate.link == known.link)?;
        let Way::Source(source) = &candidate.way else { continue };
        let probed = tokio::select! {
            () = stop.cancelled() => return None,
            probed = tokio::time::timeout(Duration::from_secs(20), source.probe()) => probed.ok()?.ok()?,
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

pub(super) struct Download<'a> {
    pub(super) order: &'a Order,
    pub(super) staging: Arc<Staging>,
    pub(super) status: &'a Status,
    pub(super) stop: &'a CancellationToken,
    pub(super) crew: Crew,
    pub(super) size: Option<u64>,
    pub(super) trust: Trust,
    pub(super) tried: Vec<SourceId>,
    /// Sizes that nobody could give a content of.
    pub(super) sizes: Vec<u64>,
    pub(super) heard: Instant,
    /// What an earlier process had proven; taken when the same piece hashes turn up.
    pub(super) earlier: Option<Earlier>,
    /// What the piece hashes have proven, and which hashes those were.
    pub(super) proven: SpanSet,
    pub(super) proven_by: Option<String>,
    /// What others may read is not proven any more.
    pub(super) hide: bool,
    /// Bytes from the first on that others may read.
    pub(super) leading: u64,
    /// At least two mirrors gave every byte alike.
    pub(super) agreed: bool,
    pub(super) running: verify::Prefix,
    pub(super) throttle: Arc<Throttle>,
}

impl<'a> Download<'a> {
    fn open(order: &'a Order, staging: Arc<Staging>, status: &'a Status, stop: &'a CancellationToken) -> Self {
        let held = lend(&staging, order.limits.upload_bytes_per_second);
        let mut crew = Crew::new(order, held, stop);
        let found = staging.load_checkpoint();
        let by_digest = order.digest.is_some();
        let (size, earlier) = found
            .map_or((None, None), |found| checkpoint::restore(&found.state, &found.kept, by_digest, &mut crew.ledger));
        let running = verify::Prefix::new(Arc::clone(&staging), order.hashes);
        Self {
            order,
            staging,
            status,
            stop,
            crew,
            size: order.size.or(size),
            trust: if by_digest { Trust::Proven } else { Trust::Pinned },
            tried: Vec::new(),
            sizes: Vec::new(),
            heard: Instant::now(),
            earlier,
            proven: SpanSet::default(),
            proven_by: None,
            hide: false,
            leading: 0,
            agreed: false,
            running,
            throttle: Arc::new(Throttle::new(order.limits.bytes_per_second.map(|rate| rate as f64))),
        }
    }

    /// Takes in what the crew has learned of the content.
    fn described(&mut self) {
        let Some(known) = self.crew.description.clone() else { return };
        self.size = self.order.size.or(known.size).or(self.size);
        if let Some(pieces) = &known.pieces
            && self
                .proven_by
                .replace(pieces.fingerprint().to_owned())
                .is_some_and(|before| before != pieces.fingerprint())
        {
            // Other hashes: what those before proved is to be looked at again.
            self.proven = SpanSet::default();
            self.hide = true;
        }
        if let Some(pieces) = &known.pieces
            && let Some(earlier) = self.earlier.take_if(|earlier| earlier.pieces == pieces.fingerprint())
        {
            let id = self.crew.ledger.add("an earlier run".to_owned(), None, None);
            earlier.proven.iter().for_each(|span| self.crew.ledger.restore(id, span));
            self.proven = earlier.proven;
        }
        self.running.also(strongest(&known.digests).map(Digest::algorithm), known.ed2k.is_some());
        self.trust = match self.trust {
            Trust::Pinned if known.pieces.is_some() => Trust::Pieces,
            Trust::Pinned if !known.digests.is_empty() || known.ed2k.is_some() => Trust::Proven,
            trust => trust,
        };
    }

    async fn run(&mut self) -> Result<Fetched, Failure> {
        let mut changes = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let writers = self.trust.writers(&self.crew);
            if writers.is_empty() && !self.crew.searches() {
                self.follow_next()?;
                continue;
            }
            let before = self.heard;
            match self.round(&writers).await? {
                End::Complete => match self.verify(&writers).await? {
                    Verdict::Good(manifest) => return self.publish(*manifest).await,
                    Verdict::WrongDigest(actual) => {
                        if !self.expose().await {
                            self.distrust(&actual)?;
                        }
                    }
                    Verdict::Bad(failure) => return Err(failure),
                },
                End::Changed(id) => {
                    changes += 1;
                    self.running.reset();
                    self.crew.ledger.forget(id);
                    self.size = self.order.size;
                    if changes >= MAX_CHANGES
                        && let Some(account) = self.crew.ledger.get_mut(id)
                    {
                        account.given_up = true;
                    }
                }
                End::Described => self.described(),
                End::Resized(size) => self.resize(size),
                End::Exhausted => {
                    if self.heard != before {
                        pause = FIRST_PAUSE;
                    }
                    let searches = self.crew.searches() && self.heard.elapsed() < self.order.patience;
                    if !searches && !self.may_come_back(&writers) {
                        self.give_up(&writers);
                        if writers.is_empty() {
                            self.follow_next()?;
                        }
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
        if std::mem::take(&mut self.hide) {
            let state = self.crew.checkpoint(self.size, None);
            self.staging.checkpoint(&state).await.map_err(|error| stored(&error))?;
            self.leading = 0;
        }
        // A digest or piece hashes judge whatever lies there; without one only the writer's own bytes count.
        let ledger = &self.crew.ledger;
        let done = if self.trust.mixes() { ledger.written() } else { ledger.written_by(writers) };
        let pieces = self.crew.description.as_ref().and_then(|known| known.pieces.clone());
        let mut scheduler = Scheduler::new(self.order.settings.clone(), self.size, done.clone(), rand::random());
        if let Some(pieces) = &pieces {
            scheduler.set_pieces(pieces.length(), pieces.before());
        }
        for id in self.crew.sources() {
            let standing = match (writers.contains(&id), self.crew.ledger.usable(id)) {
                (true, true) => Standing::Active,
                (false, true) => Standing::Standby,
                _ => Standing::Dropped,
            };
            if let Some(spec) = self.crew.spec(self.order, id) {
                scheduler.add(id, spec, standing);
            }
        }
        let compares = self.order.agreement && self.trust == Trust::Pinned;
        let followed = writers.first().filter(|_| compares);
        let round = Round {
            order: self.order,
            staging: &self.staging,
            scheduler,
            crew: &mut self.crew,
            trust: self.trust,
            proof: pieces.map(|pieces| Proof::new(pieces, self.proven.clone(), &done)),
            agreement: followed.map(|id| Agreement::new(*id)),
            running: &mut self.running,
            throttle: &self.throttle,
            status: self.status,
            stop: self.stop,
            heard: &mut self.heard,
            leading: &mut self.leading,
        };
        let Ended { end, size, proven, agreed } = round.run().await?;
        self.size = self.order.size.or(size);
        (self.proven, self.agreed) = (proven, agreed);
        Ok(end)
    }

    async fn verify(&mut self, writers: &[SourceId]) -> Result<Verdict, Failure> {
        self.status.enter(Stage::Verifying);
        let size = self.size.unwrap_or_default();
        tracing::info!(size, sources = writers.len(), "every byte is there, verifying");
        let described = self.crew.description.as_ref().and_then(|known| strongest(&known.digests));
        let expected = verify::Expected {
            digests: self.order.digest.iter().chain(described).cloned().collect(),
            ed2k: self.crew.description.as_ref().and_then(|known| known.ed2k),
        };
        let verification = match self.trust {
            Trust::Pinned if self.agreed => Verification::Agreement,
            trust => trust.verification(),
        };
        let hashing =
            verify::verify(&mut self.running, &self.staging, size, self.order, &expected, verification, self.status);
        tokio::select! {
            () = self.stop.cancelled() => Err(interrupted()),
            verdict = hashing => verdict,
        }
    }

    /// Whether one of `writers` failed in a way that passes, and it is not too late.
    fn may_come_back(&self, writers: &[SourceId]) -> bool {
        let passes = |id: &SourceId| {
            self.crew.ledger.usable(*id)
                && self.crew.ledger.get(*id).is_some_and(|account| {
                    let failure = account.failure.as_ref();
                    failure.is_none_or(|error| error.fault != Fault::Gone && error.reason != reason::NAME_NOT_RESOLVED)
                })
        };
        self.heard.elapsed() < self.order.patience && writers.iter().any(passes)
    }

    fn give_up(&mut self, writers: &[SourceId]) {
        for &id in writers {
            if let Some(account) = self.crew.ledger.get_mut(id) {
                account.given_up = true;
            }
            // Without a digest the next one starts from its own bytes.
            if self.trust == Trust::Pinned {
                self.running.reset();
                self.crew.ledger.forget(id);
                self.size = self.order.size;
            }
        }
    }

    /// Waits, with jitter, or until something new is found; false when told to stop.
    async fn wait(&mut self, pause: Duration) -> bool {
        let pause = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        tracing::info!(?pause, "no source answers, asking again");
        let wake = tokio::time::sleep(pause);
        tokio::pin!(wake);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = &mut wake => return true,
                word = self.crew.hear() => match self.crew.take(self.order, word) {
                    Change::Described => {
                        self.described();
                        return true;
                    }
                    Change::New(_) => return true,
                    Change::None | Change::Holds(_) | Change::Gone(_) => {}
                },
            }
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

    pub(super) fn no_source_left(&mut self) -> Failure {
        let known = |crew: &Crew| -> Vec<SourceError> {
            crew.ledger.iter().filter_map(|(_, account)| account.failure.clone()).collect()
        };
        let mut failures = known(&self.crew);
        self.crew.ledger.close_discoveries();
        if failures.is_empty() {
            failures = known(&self.crew);
        }
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
        let last = self.crew.ledger.iter().find_map(|(_, account)| account.failure.as_ref());
        let last = last.map_or_else(String::new, |error| format!(" (last: {error})"));
        let message =
            format!("no source gave one new byte for {seconds} s{last}; add a source, or ask for a retry later");
        Failure::new(FailureClass::Stalled, reason::DEADLINE_EXCEEDED, message)
    }
}

/// The digest that proves most: the first of the list of algorithms that is there.
pub(super) fn strongest(digests: &[Digest]) -> Option<&Digest> {
    digests.iter().min_by_key(|digest| Algorithm::ALL.iter().position(|each| *each == digest.algorithm()))
}

fn interrupted() -> Failure {
    let message = "told to stop; what was fetched is kept and the next try goes on from there";
    Failure::new(FailureClass::Interrupted, reason::INTERRUPTED, message)
}
