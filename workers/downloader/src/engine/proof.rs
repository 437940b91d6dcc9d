//! Piece hashes at work: a piece counts once it is written, read back and proven; a bad one names who wrote it.
//!
//! With one writer that writer lied. With several, what each wrote is remembered by its hash, the piece is fetched again by one
//! source from end to end, and once it is proven those whose part was another are the liars. Further bad pieces wait for that: of
//! them only what a liar wrote is fetched again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use videocloud_store::{Staging, StoreError};

use super::ledger::Ledger;
use crate::discover::Pieces;
use crate::schedule::{SourceId, Span, SpanSet};

/// Pieces read back at once.
const JOBS: usize = 2;
/// Bytes read back at a time.
const BLOCK: u64 = 2 << 20;

/// What one source wrote in a piece that was bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    source: SourceId,
    span: Span,
    hash: [u8; 32],
}

/// A piece that was read back.
pub(super) struct Checked {
    index: u64,
    epoch: u64,
    good: bool,
    parts: Vec<Part>,
}

/// What follows from a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The bytes changed while they were read; nothing follows.
    Void,
    /// The piece is proven. `liars` gave other bytes for it before.
    Good { span: Span, liars: Vec<SourceId> },
    /// It is wrong, and another is being fetched again to find out who lies: then it is looked at again.
    Waits,
    /// It is wrong: to be fetched again, by one source alone if `whole`. `liar` is certain.
    Bad { span: Span, liar: Option<SourceId>, whole: bool },
}

/// The pieces of one round.
pub(super) struct Proof {
    pieces: Arc<Pieces>,
    pub(super) verified: SpanSet,
    waiting: VecDeque<u64>,
    /// Pieces that wait or are being read -> number of the check.
    checking: HashMap<u64, u64>,
    epoch: u64,
    suspects: HashMap<u64, Vec<Part>>,
    /// Bad pieces of several writers that wait until a liar is found by another.
    deferred: Vec<Span>,
    jobs: JoinSet<Result<Checked, StoreError>>,
}

impl Proof {
    /// Nothing but `verified` is proven, `written` is there.
    pub(super) fn new(pieces: Arc<Pieces>, verified: SpanSet, written: &SpanSet) -> Self {
        let mut proof = Self {
            pieces,
            verified,
            waiting: VecDeque::new(),
            checking: HashMap::new(),
            epoch: 0,
            suspects: HashMap::new(),
            deferred: Vec::new(),
            jobs: JoinSet::new(),
        };
        written.iter().for_each(|span| proof.written(span, written, |_| false));
        proof
    }

    /// True when every byte is proven.
    pub(super) fn is_complete(&self) -> bool {
        Span::new(0, self.pieces.size()).is_none_or(|all| self.verified.covers(all))
    }

    /// `span` was written, and `done` is all that is there: pieces that became whole are queued, but for those that are `vouched`
    /// for, all of whose bytes came from sources that verified them.
    pub(super) fn written(&mut self, span: Span, done: &SpanSet, vouched: impl Fn(Span) -> bool) {
        for index in self.pieces.at(span.start())..=self.pieces.at(span.end() - 1) {
            let Some(piece) = self.pieces.span(index).filter(|_| self.pieces.decidable(index)) else { continue };
            if !self.checking.contains_key(&index) && done.covers(piece) && !self.verified.covers(piece) {
                if !self.suspects.contains_key(&index) && vouched(piece) {
                    self.verified.insert(piece);
                    continue;
                }
                self.epoch += 1;
                self.checking.insert(index, self.epoch);
                self.waiting.push_back(index);
            }
        }
    }

    /// `span` came from a source that verifies: its bytes of pieces that nobody else can judge count.
    pub(super) fn vouched(&mut self, span: Span) {
        for index in self.pieces.at(span.start())..=self.pieces.at(span.end() - 1) {
            if !self.pieces.decidable(index)
                && let Some(part) = self.pieces.span(index).and_then(|piece| piece.overlap(span))
            {
                self.verified.insert(part);
            }
        }
    }

    /// `spans` are void: checks that read them mean nothing.
    pub(super) fn void(&mut self, spans: &SpanSet) {
        let touched: Vec<u64> = self.checking.keys().copied().collect();
        for index in touched {
            if self.pieces.span(index).is_some_and(|piece| !spans.intersect(piece).is_empty()) {
                self.checking.remove(&index);
                self.waiting.retain(|waiting| *waiting != index);
            }
        }
    }

    /// Begins checks that wait.
    pub(super) fn start(&mut self, ledger: &Ledger, staging: &Arc<Staging>) {
        while self.jobs.len() < JOBS
            && let Some(index) = self.waiting.pop_front()
        {
            let (Some(span), Some(&epoch)) = (self.pieces.span(index), self.checking.get(&index)) else { continue };
            let suspected = self.suspects.get(&index);
            let parts = match suspected {
                Some(parts) => parts.iter().map(|part| (part.source, part.span)).collect(),
                None => ledger.writers_within(span),
            };
            let wanted = Wanted { index, epoch, span, parts, again: suspected.is_some() };
            self.jobs.spawn(check(Arc::clone(staging), Arc::clone(&self.pieces), wanted));
        }
    }

    /// The next piece that was read back; waits for ever when none is.
    pub(super) async fn next(&mut self) -> Result<Checked, StoreError> {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(checked)) => return checked,
                // Only when the runtime shuts down.
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// What a check means.
    pub(super) fn judge(&mut self, checked: Checked, ledger: &Ledger) -> Judgement {
        let Checked { index, epoch, good, parts } = checked;
        let Some(span) = self.pieces.span(index).filter(|_| self.checking.get(&index) == Some(&epoch)) else {
            return Judgement::Void;
        };
        self.checking.remove(&index);
        if good {
            self.verified.insert(span);
            let before = self.suspects.remove(&index).unwrap_or_default();
            let lied = |part: &&Part| {
                parts.iter().any(|now| (now.source, now.span) == (part.source, part.span) && now.hash != part.hash)
            };
            let mut liars: Vec<SourceId> = before.iter().filter(lied).map(|part| part.source).collect();
            liars.sort_unstable();
            liars.dedup();
            return Judgement::Good { span, liars };
        }
        let mut writers: Vec<SourceId> = ledger.writers_within(span).into_iter().map(|(id, _)| id).collect();
        writers.sort_unstable();
        writers.dedup();
        match writers[..] {
            [only] => Judgement::Bad { span, liar: Some(only), whole: self.suspects.contains_key(&index) },
            _ if !self.suspects.is_empty() && !self.suspects.contains_key(&index) => {
                self.deferred.push(span);
                Judgement::Waits
            }
            _ => {
                self.suspects.entry(index).or_insert(parts);
                Judgement::Bad { span, liar: None, whole: true }
            }
        }
    }
}

impl Proof {
    /// Queues the pieces that waited for the judgement over another, as far as they are among `done`, once that is there.
    pub(super) fn resume(&mut self, done: &SpanSet) {
        if self.suspects.is_empty() {
            for span in std::mem::take(&mut self.deferred) {
                self.written(span, done, |_| false);
            }
        }
    }
}

struct Wanted {
    index: u64,
    epoch: u64,
    span: Span,
    parts: Vec<(SourceId, Span)>,
    /// The piece was bad before, and `parts` are those of then.
    again: bool,
}

async fn check(staging: Arc<Staging>, pieces: Arc<Pieces>, wanted: Wanted) -> Result<Checked, StoreError> {
    let Wanted { index, epoch, span, parts, again } = wanted;
    let good = match pieces.check(index) {
        None => false,
        Some(check) => fed(&staging, span, check, |check, bytes| check.update(bytes)).await?.is_some_and(|c| c.holds()),
    };
    let mut hashed = Vec::new();
    // A piece that is good at once accuses nobody, nor does one that is bad again: the liars are found when it is good.
    if good == again && parts.len() > 1 {
        for (source, span) in parts {
            let hasher = fed(&staging, span, Sha256::new(), |hasher, bytes| hasher.update(bytes)).await?;
            if let Some(hasher) = hasher {
                hashed.push(Part { source, span, hash: hasher.finalize().into() });
            }
        }
    }
    Ok(Checked { index, epoch, good, parts: hashed })
}

/// Reads `span` back into `hasher`, on threads that may block. `None` only when the runtime shuts down.
async fn fed<H: Send + 'static>(
    staging: &Staging,
    span: Span,
    mut hasher: H,
    update: fn(&mut H, &[u8]),
) -> Result<Option<H>, StoreError> {
    let mut rest = Some(span);
    while let Some(left) = rest {
        let length = left.len().min(BLOCK);
        let bytes = staging.read_at(left.start(), usize::try_from(length).unwrap_or_default()).await?;
        let hashed = tokio::task::spawn_blocking(move || {
            update(&mut hasher, &bytes);
            hasher
        });
        match hashed.await {
            Ok(back) => hasher = back,
            Err(_) => return Ok(None),
        }
        rest = left.skip(length);
    }
    Ok(Some(hasher))
}
