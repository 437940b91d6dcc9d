//! One round: the scheduler's actions become lanes, the lanes' reports become the scheduler's events.
//!
//! A round ends when the content is complete or cannot become so with the sources it was given; what follows is for
//! [`super::trust`] to say. Here are the clock, the queue and the lanes' tasks, all of which end with the round.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, reason};
use videocloud_store::Staging;

use super::agreement::{Agreement, compared};
use super::crew::{Change, Crew, Word};
use super::end::{End, Ended};
use super::lane::{self, Accepted, Gate, Report, Run, Sink};
use super::proof::{Checked, Judgement, Proof};
use super::shown::{self, may_show};
use super::status::{Snapshot, Stage, Status};
use super::throttle::Throttle;
use super::trust::Trust;
use super::waits::{Saving, checked, ended};
use super::{Order, sizes, stored};
use crate::schedule::{Action, Event, LaneId, Rate, Scheduler, SourceId, Span, SpanSet, Standing};
use crate::source::{Ask, Opened, SourceError, Validator};
use crate::verify::{Prefix, Which};

/// Reports that may wait for the round; lanes stop reading when it is full.
const QUEUE: usize = 256;
/// Time between two checkpoints while bytes come: what a kill costs at most, beside the requests in flight.
const CHECKPOINT: Duration = Duration::from_secs(5);
/// The same where others read what is there while the rest comes.
const SHOWN: Duration = Duration::from_secs(2);
/// Time between two words to discoveries about what is proven: a swarm may be given it from then on.
const TELL: Duration = Duration::from_secs(1);
/// Time between two looks at rates for those who watch.
const TICK: Duration = Duration::from_millis(250);

/// What a round works with.
pub(super) struct Round<'a> {
    pub(super) order: &'a Order,
    pub(super) staging: &'a Arc<Staging>,
    pub(super) scheduler: Scheduler,
    pub(super) crew: &'a mut Crew,
    pub(super) trust: Trust,
    pub(super) proof: Option<Proof>,
    /// Mirrors that are compared with the one that is followed.
    pub(super) agreement: Option<Agreement>,
    pub(super) running: &'a mut Prefix,
    pub(super) throttle: &'a Arc<Throttle>,
    pub(super) status: &'a Status,
    pub(super) stop: &'a CancellationToken,
    /// When the last new byte came, in this round or before.
    pub(super) heard: &'a mut Instant,
    /// Bytes from the first on that others may read.
    pub(super) leading: &'a mut u64,
}

struct Lane {
    source: SourceId,
    position: u64,
    /// Where its span ends now: what it wrote behind that before it knew is another's to write again.
    end: u64,
    runs: mpsc::Sender<Run>,
    gate: Arc<Gate>,
    go: Option<oneshot::Sender<Accepted>>,
    task: AbortHandle,
}

impl Round<'_> {
    /// Fetches until one of the ends.
    ///
    /// # Errors
    /// The store refused bytes or a checkpoint.
    pub(super) async fn run(mut self) -> Result<Ended, Failure> {
        let (sender, mut reports) = mpsc::channel(QUEUE);
        let mut lanes = HashMap::new();
        let started = Instant::now();
        let mut rate = Rate::starting(Duration::ZERO);
        let mut changed = None;
        let mut reserved = false;
        let (mut saving, mut told) = (None, started);
        let every = if self.order.shown { SHOWN } else { CHECKPOINT };
        let (mut ticks, mut saves) = (interval(TICK), interval(every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        saves.reset();
        let mut shares = self.order.hosts.changes();
        self.follow_shares();
        let deadline = Duration::from_secs(self.order.limits.progress_deadline_seconds.max(1));
        let end = loop {
            let now = started.elapsed();
            for action in self.scheduler.poll(now) {
                self.act(action, &mut lanes, &sender).await;
            }
            if let (false, Some(size)) = (reserved, self.scheduler.size()) {
                self.staging.reserve(size).await.map_err(|error| stored(&error))?;
                reserved = true;
            }
            if let Some(id) = changed {
                break End::Changed(id);
            }
            if let Some(size) = self.resized() {
                break End::Resized(size);
            }
            if let Some(proof) = &mut self.proof {
                proof.start(&self.crew.ledger, self.staging);
            }
            let certain = self.proof.as_ref().map_or(self.scheduler.done(), |proof| &proof.verified);
            self.running.advance(certain.run_from(0));
            let proven = self.proof.as_ref().is_none_or(Proof::is_complete);
            let asked = lanes.values().any(|lane: &Lane| lane.go.is_some());
            if self.scheduler.is_complete() && proven && !asked && self.is_agreed_or_never() {
                break End::Complete;
            }
            if self.is_exhausted(started.elapsed()) {
                break End::Exhausted;
            }
            let wake =
                self.scheduler.wakes_at(now).map_or(TICK, |at| at.saturating_sub(now)).max(Duration::from_millis(5));
            tokio::select! {
                () = self.stop.cancelled() => break End::Stopped,
                Some((id, report)) = reports.recv() => {
                    changed = self.take(started, id, report, &mut lanes, &mut rate)?;
                    // Those that wait are heard before anybody is judged by its silence.
                    for _ in 0..QUEUE {
                        let waiting = changed.is_none().then(|| reports.try_recv().ok()).flatten();
                        let Some((id, report)) = waiting else { break };
                        changed = self.take(started, id, report, &mut lanes, &mut rate)?;
                    }
                }
                word = self.crew.hear() => {
                    if self.learn(word) {
                        break End::Described;
                    }
                }
                checked = checked(&mut self.proof) => {
                    let checked = checked.map_err(|error| stored(&error))?;
                    self.judge_piece(checked);
                }
                finding = compared(&mut self.agreement) => {
                    if let Some(end) = self.found(finding.map_err(|error| stored(&error))?) {
                        break end;
                    }
                }
                () = tokio::time::sleep(wake) => {}
                Ok(()) = shares.changed() => self.follow_shares(),
                _ = ticks.tick() => {
                    self.follow_shares();
                    self.compare();
                    self.show(&lanes, rate.at(started.elapsed()));
                    if let Some(proof) = self.proof.as_ref().filter(|_| told.elapsed() >= TELL) {
                        self.crew.proven(&proof.verified);
                        told = Instant::now();
                    }
                    if self.heard.elapsed() > deadline {
                        break End::NoProgress;
                    }
                }
                saved = ended(&mut saving) => *self.leading = saved?,
                _ = saves.tick(), if saving.is_none() => saving = Some(self.save()),
            }
        };
        if saving.is_some() {
            *self.leading = ended(&mut saving).await?;
        }
        for (_, lane) in lanes.drain() {
            lane.gate.set(0).await;
            lane.task.abort();
        }
        for id in self.crew.ledger.ids() {
            if let Some(account) = self.crew.ledger.get_mut(id) {
                account.lanes = 0;
            }
        }
        self.show(&lanes, 0.0);
        if end != End::Complete {
            *self.leading = ended(&mut Some(self.save())).await?;
        }
        let (size, proven) = (self.scheduler.size(), self.proof.map(|proof| proof.verified).unwrap_or_default());
        let agreed = self.agreement.is_some_and(|agreement| size.is_some_and(|size| agreement.is_complete(size)));
        Ok(Ended { end, size, proven, agreed })
    }

    /// Nobody is left to ask and nobody will be found in time, or those that are asked have been silent for too long in this round of
    /// such a `length`.
    fn is_exhausted(&self, length: Duration) -> bool {
        let late = self.heard.elapsed() > self.order.patience;
        let nobody = self.scheduler.is_exhausted() && (!self.crew.searches() || late || self.comes_back());
        (nobody || late && length > self.order.patience) && !self.scheduler.is_complete()
    }

    /// The size that more sources say than the one that is believed, unless order or description fix it.
    fn resized(&self) -> Option<u64> {
        let fixed = self.order.size.or(self.crew.description.as_ref().and_then(|known| known.size));
        let judged = self.trust.mixes() || self.agreement.is_some();
        let believed = self.scheduler.size().filter(|_| fixed.is_none() && judged)?;
        sizes::majority(&self.crew.ledger).filter(|size| *size != believed)
    }

    /// Whether a source failed in a way that passes: the next round asks it again.
    fn comes_back(&self) -> bool {
        self.crew.sources().into_iter().any(|id| {
            self.crew.ledger.usable(id)
                && self.scheduler.standing(id) == Standing::Dropped
                && self.crew.ledger.get(id).is_some_and(|account| account.failure.is_some())
        })
    }

    /// Takes in what a discovery said; true when the rules of the download may have changed.
    fn learn(&mut self, word: (SourceId, Word)) -> bool {
        match self.crew.take(self.order, word) {
            Change::None => {}
            Change::Described => return true,
            Change::New(id) => {
                let standing = if self.trust.mixes() { Standing::Active } else { Standing::Standby };
                if let Some(spec) = self.crew.spec(self.order, id) {
                    self.scheduler.add(id, spec, standing);
                    self.follow_shares();
                }
                // Nobody may write yet and here is the first who can.
                return self.trust == Trust::Pinned && self.scheduler.is_exhausted();
            }
            Change::Holds(id) => self.scheduler.set_holds(id, self.crew.holds(id)),
            Change::Gone(id) => self.scheduler.remove(id),
        }
        false
    }

    fn judge_piece(&mut self, checked: Checked) {
        let Some(proof) = &mut self.proof else { return };
        match proof.judge(checked, &self.crew.ledger) {
            Judgement::Void | Judgement::Waits => {}
            Judgement::Good { span, liars } => {
                self.scheduler.settle(span);
                if let [(only, _)] = self.crew.ledger.writers_within(span)[..] {
                    self.scheduler.prove(only);
                }
                liars.into_iter().for_each(|liar| self.ban(liar, span));
            }
            Judgement::Bad { span, liar, whole } => {
                tracing::warn!(piece = ?span, ?liar, "a piece does not have its hash");
                if let Some(liar) = liar {
                    self.ban(liar, span);
                }
                // Of several writers most are as a rule innocent.
                let wasted = if liar.is_some() { self.crew.ledger.writers_within(span) } else { Vec::new() };
                for (writer, part) in wasted {
                    if let Some(error) = self.crew.ledger.wasted(writer, part.len(), self.scheduler.size()) {
                        self.crew.ledger.failed(writer, error);
                        self.scheduler.set_standing(writer, Standing::Dropped);
                    }
                }
                self.forget(&SpanSet::of(Some(span)));
                if whole {
                    self.scheduler.refetch_whole(span);
                }
            }
        }
        if let Some(proof) = &mut self.proof {
            proof.resume(self.scheduler.done());
        }
    }

    /// `id` gave wrong bytes: what it wrote and nothing proved is fetched again.
    fn ban(&mut self, id: SourceId, span: Span) {
        let what = format!("its bytes {} to {} do not have the hash they should", span.start(), span.end() - 1);
        self.crew.ban(id, &what);
        self.scheduler.set_standing(id, Standing::Dropped);
        let mut void = self.crew.ledger.spans_of(id);
        if let Some(proof) = &self.proof {
            proof.verified.iter().for_each(|span| void.remove(span));
        }
        self.forget(&void);
    }

    fn forget(&mut self, spans: &SpanSet) {
        self.running.void(spans);
        self.scheduler.forget(spans);
        self.crew.ledger.forget_spans(spans);
        if let Some(proof) = &mut self.proof {
            proof.void(spans);
        }
    }

    async fn act(
        &mut self,
        action: Action,
        lanes: &mut HashMap<LaneId, Lane>,
        reports: &mpsc::Sender<(LaneId, Report)>,
    ) {
        match action {
            Action::Fetch { lane, source, span } => self.fetch(lane, source, span, lanes, reports).await,
            Action::Bound { lane, end } => {
                if let Some(lane) = lanes.get_mut(&lane) {
                    lane.end = end;
                    lane.gate.set(end).await;
                }
            }
            Action::Cancel { lane } | Action::Expire { lane } => {
                if let Some(lane) = lanes.remove(&lane) {
                    if matches!(action, Action::Expire { .. }) {
                        let message = format!("no byte came for {} s", self.order.settings.idle_timeout.as_secs());
                        self.crew.ledger.failed(lane.source, SourceError::transient(reason::UNREACHABLE, message));
                    }
                    // First the gate: a write that is under way ends before the lane does.
                    lane.gate.set(0).await;
                    lane.task.abort();
                }
            }
        }
    }

    async fn fetch(
        &mut self,
        id: LaneId,
        source: SourceId,
        span: Span,
        lanes: &mut HashMap<LaneId, Lane>,
        reports: &mpsc::Sender<(LaneId, Report)>,
    ) {
        let Some(member) = self.crew.member(source) else { return };
        let pin = self.crew.ledger.get(source).and_then(|account| account.validator.clone());
        let (go, accepted) = oneshot::channel();
        let gate = Gate::new(span.end());
        let run = Run { ask: Ask { span, pin }, gate: Arc::clone(&gate), go: accepted };
        let host = self.order.hosts.of(&member.source.host());
        // Pieces are read again to be proven, and everything for the torrent of a content that is kept.
        let rests = self.proof.is_none() && self.order.hashes != Which::ALL;
        let hashed = rests.then(|| self.running.hashed());
        let sink = Sink { staging: Arc::clone(self.staging), throttle: Arc::clone(self.throttle), host, hashed };
        let lane = lanes.entry(id).or_insert_with(|| {
            let (runs, orders) = mpsc::channel(1);
            let connection = member.source.connect();
            let task = tokio::spawn(lane::work(id, connection, sink, orders, reports.clone()));
            let gate = Arc::clone(&gate);
            Lane { source, position: span.start(), end: span.end(), runs, gate, go: None, task: task.abort_handle() }
        });
        (lane.position, lane.end, lane.gate, lane.go) = (span.start(), span.end(), gate, Some(go));
        // The lane has reported the end of its last run, so its queue of one is empty.
        if lane.runs.send(run).await.is_err() {
            tracing::error!(lane = id.0, "a lane ended by itself");
        }
    }

    /// Takes in a report. Returns the source whose content changed, if that is what it says.
    fn take(
        &mut self,
        started: Instant,
        id: LaneId,
        report: Report,
        lanes: &mut HashMap<LaneId, Lane>,
        rate: &mut Rate,
    ) -> Result<Option<SourceId>, Failure> {
        let now = started.elapsed();
        // A lane that was cancelled may have said something before.
        let Some(lane) = lanes.get_mut(&id) else { return Ok(None) };
        let source = lane.source;
        match report {
            Report::Opened(opened) => {
                if let Err(error) = self.judge(source, &opened) {
                    lane.go = None;
                    self.fail(now, id, source, error);
                    lanes.remove(&id);
                    return Ok(None);
                }
                let go = lane.go.take();
                self.scheduler.on(now, Event::Opened { lane: id, size: opened.size, ranges: opened.ranges });
                if let Some(go) = go {
                    // A closed channel means that the lane is gone, and then nothing is written either.
                    let _ = go.send(Accepted { size: self.order.size.or(opened.size) });
                }
            }
            Report::Wrote { mut pieces, wasted } => {
                let came: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
                // Only these stay: hashing others would prove bytes that somebody else overwrites.
                let bytes = lane::keep_front(&mut pieces, lane.end.saturating_sub(lane.position));
                let wasted = wasted + (came - bytes);
                if self.proof.is_none() {
                    self.running.wrote(lane.position, pieces);
                }
                if let Some(span) = Span::new(lane.position, lane.position + bytes) {
                    lane.position = span.end();
                    self.crew.ledger.wrote(source, span);
                    rate.add(now, bytes);
                    *self.heard = Instant::now();
                }
                let wrote = Span::new(lane.position.saturating_sub(bytes), lane.position);
                let wasteful = self.crew.ledger.wasted(source, wasted, self.scheduler.size());
                let too_large = lane.position > self.order.limits.max_size;
                let too_large = too_large.then(|| sizes::too_large(self.order.limits.max_size));
                if let Some(error) = too_large.or(wasteful) {
                    self.fail(now, id, source, error);
                    lanes.remove(&id);
                    return Ok(None);
                }
                self.scheduler.on(now, Event::Received { lane: id, bytes });
                if let (Some(proof), Some(span)) = (&mut self.proof, wrote) {
                    let crew = &self.crew;
                    let verifies = |id| crew.member(id).is_some_and(|member| member.source.manner().verified);
                    if verifies(source) {
                        proof.vouched(span);
                    }
                    let all = |piece| crew.ledger.writers_within(piece).iter().all(|(id, _)| verifies(*id));
                    proof.written(span, self.scheduler.done(), all);
                }
            }
            Report::Waiting => self.scheduler.on(now, Event::Waiting { lane: id }),
            Report::Finished => self.scheduler.on(now, Event::Finished { lane: id }),
            Report::Failed(error) => {
                let changed = error.reason == reason::CHANGED;
                self.fail(now, id, source, error);
                lanes.remove(&id);
                return Ok(changed.then_some(source));
            }
            Report::Store(error) => return Err(stored(&error)),
        }
        Ok(None)
    }

    fn fail(&mut self, now: Duration, lane: LaneId, source: SourceId, error: SourceError) {
        tracing::info!(source = source.0, reason = error.reason, "{error}");
        let (fault, word, size) = (error.fault, error.reason, error.size);
        self.crew.ledger.failed(source, error);
        if let (Some(account), Some(_)) = (self.crew.ledger.get_mut(source), size) {
            account.size = size;
        }
        self.scheduler.on(now, Event::Failed { lane, fault });
        // Changed content is looked at again; the scheduler's drop of the source ends with this round.
        if word == reason::CHANGED
            && let Some(account) = self.crew.ledger.get_mut(source)
        {
            account.given_up = false;
        }
    }

    /// Whether an answer may be written at all, by what its head says.
    fn judge(&mut self, source: SourceId, opened: &Opened) -> Result<(), SourceError> {
        if let Some(size) = opened.size {
            if let Some(account) = self.crew.ledger.get_mut(source) {
                account.size = Some(size);
            }
            if size > self.order.limits.max_size {
                return Err(sizes::too_large(self.order.limits.max_size));
            }
            if let Some(wanted) = self.order.size.or(self.scheduler.size()).filter(|wanted| *wanted != size) {
                let message = format!("the source has {size} bytes, {wanted} are expected");
                return Err(SourceError::gone(reason::SIZE_MISMATCH, message));
            }
        }
        if let Some(account) = self.crew.ledger.get_mut(source) {
            account.validator.get_or_insert_with(|| Validator::clone(&opened.validator));
        }
        Ok(())
    }

    fn show(&mut self, lanes: &HashMap<LaneId, Lane>, rate: f64) {
        for id in self.crew.ledger.ids() {
            let busy = lanes.values().filter(|lane| lane.source == id).count();
            if let Some(account) = self.crew.ledger.get_mut(id) {
                account.lanes = busy.min(self.scheduler.lanes_of(id));
            }
        }
        let done = self.proof.as_ref().map_or(self.scheduler.done(), |proof| &proof.verified).total();
        let mut sources = self.crew.ledger.reports();
        sources.extend(self.order.refused.iter().cloned());
        self.status.update(|now| {
            let stage = if done > 0 { Stage::Downloading } else { Stage::Connecting };
            let (total, leading) = (self.scheduler.size(), *self.leading);
            *now = Snapshot { stage, done, total, leading, per_second: rate as u64, sources };
        });
    }

    /// Saves the state as it is now, beside the transfer: a disk may take its time.
    fn save(&mut self) -> Saving {
        let proven = self.proof.as_ref().map(|proof| &proof.verified);
        let state = self.crew.checkpoint(self.scheduler.size(), proven);
        let shown = may_show(self.order, self.crew.description.as_ref(), proven);
        tokio::spawn(shown::save(Arc::clone(self.staging), state, shown, self.order.any_content))
    }
}
