//! The state machine itself: events change the state, [`Scheduler::poll`] hands out work.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::event::{Action, Event, Fault, LaneId, SourceId, SourceSpec, Standing};
use super::host::Host;
use super::lane::{Lane, Run};
use super::ranks::Ranks;
use super::rate::Time;
use super::run_length::Grid;
use super::settings::{Order, Settings};
use super::source::Source;
use super::span::{Span, SpanSet};

/// A lane that gave bytes within this time delivers.
const LIVELY: Duration = Duration::from_secs(2);

/// Decides who fetches what. See the module documentation.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) settings: Settings,
    pub(super) size: Option<u64>,
    pub(super) free: SpanSet,
    pub(super) done: SpanSet,
    pub(super) sources: BTreeMap<SourceId, Source>,
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    pub(super) next_lane: u64,
    pub(super) grid: Option<Grid>,
    /// Spans that one lane has to write from end to end (start -> end): pieces that were bad with several writers.
    pub(super) whole: BTreeMap<u64, u64>,
    /// What is rare, when not every source has everything.
    pub(super) ranks: Option<Ranks>,
    pub(super) rng: SmallRng,
    pub(super) actions: Vec<Action>,
}

impl Scheduler {
    /// A scheduler for a content of `size` bytes (`None`: not known yet) of which `done` is already there.
    #[must_use]
    pub fn new(settings: Settings, size: Option<u64>, done: SpanSet, seed: u64) -> Self {
        let mut free = SpanSet::of(Span::new(0, size.unwrap_or(u64::MAX)));
        done.iter().for_each(|span| free.remove(span));
        Self {
            settings,
            size,
            free,
            done,
            sources: BTreeMap::new(),
            hosts: BTreeMap::new(),
            lanes: BTreeMap::new(),
            next_lane: 0,
            grid: None,
            whole: BTreeMap::new(),
            ranks: None,
            rng: SmallRng::seed_from_u64(seed),
            actions: Vec::new(),
        }
    }

    /// Makes a source known; also while the transfer runs.
    pub fn add(&mut self, id: SourceId, spec: SourceSpec, standing: Standing) {
        let lanes = self.settings.lanes_per_host;
        self.hosts.entry(spec.host.clone()).or_insert_with(|| Host::new(lanes));
        self.sources.insert(id, Source::new(spec, standing));
    }

    /// Forgets a source that will not come back. Its lanes end at once.
    pub fn remove(&mut self, id: SourceId) {
        self.set_standing(id, Standing::Dropped);
        if let Some(source) = self.sources.remove(&id)
            && !self.sources.values().any(|other| other.spec.host == source.spec.host)
        {
            self.hosts.remove(&source.spec.host);
        }
    }

    /// The host may have `most` connections from now on. Those beyond are closed: idle ones first, then the youngest; what came stays,
    /// so a source without ranges is the last to lose its connection.
    pub fn set_host_lanes(&mut self, host: &str, most: usize) {
        let Some(known) = self.hosts.get_mut(host) else { return };
        if !known.set_most(most) {
            return;
        }
        let source_of = |lane: &Lane| self.sources.get(&lane.source).filter(|source| source.spec.host == host);
        let lanes = self.lanes.iter().filter_map(|(&id, lane)| Some((id, source_of(lane)?, &lane.run)));
        let mut open: Vec<_> =
            lanes.map(|(id, source, run)| (run.is_some(), source.ranges == Some(false), id)).collect();
        open.sort_by(|(a_busy, a_whole, a), (b_busy, b_whole, b)| {
            a_busy.cmp(b_busy).then(a_whole.cmp(b_whole)).then(b.cmp(a))
        });
        let beyond = open.len().saturating_sub(most);
        open.into_iter().take(beyond).for_each(|(.., id)| self.cancel(id));
    }

    /// Connections to `host` that are open.
    #[must_use]
    pub fn connections_to(&self, host: &str) -> usize {
        self.lanes.values().filter(|lane| self.is_to(lane, host)).count()
    }

    pub(super) fn is_to(&self, lane: &Lane, host: &str) -> bool {
        self.sources.get(&lane.source).is_some_and(|source| source.spec.host == host)
    }

    /// What `id` can give from now on; `None` is everything. Runs under way are left to the source.
    pub fn set_holds(&mut self, id: SourceId, holds: Option<SpanSet>) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.spec.holds = holds;
        }
    }

    /// Runs end where pieces of `length` bytes end, the first of which has `before` bytes in front of the content.
    pub fn set_pieces(&mut self, length: u64, before: u64) {
        self.grid = (length > 0).then_some(Grid { length, before });
    }

    /// Takes `span` back; it is fetched again, by one lane from end to end.
    pub fn refetch_whole(&mut self, span: Span) {
        self.forget(&SpanSet::of(Some(span)));
        self.whole.insert(span.start(), span.end());
    }

    /// A piece that `id` wrote alone has its hash. Until then, beside others, it gets whole pieces only: a liar is known by the
    /// first of them, and spoils no piece that others have a part in.
    pub fn prove(&mut self, id: SourceId) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.proven = true;
        }
    }

    /// The bytes of `span` are proven: they need no writer of their own any more.
    pub fn settle(&mut self, span: Span) {
        self.whole.remove(&span.start());
    }

    /// Length of the content in bytes, once known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// What is there.
    #[must_use]
    pub fn done(&self) -> &SpanSet {
        &self.done
    }

    /// True when every byte of the content is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| Span::new(0, size).is_none_or(|all| self.done.covers(all)))
    }

    /// True when no source may be asked: nothing more will come unless a standing changes.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        !self.sources.values().any(|source| source.standing == Standing::Active) && self.is_idle()
    }

    /// True while nothing is asked of anybody.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.values().all(|lane| lane.run.is_none())
    }

    /// Whether `id` may be asked; an unknown source counts as dropped.
    #[must_use]
    pub fn standing(&self, id: SourceId) -> Standing {
        self.sources.get(&id).map_or(Standing::Dropped, |source| source.standing)
    }

    /// Number of lanes fetching from `id` now.
    #[must_use]
    pub fn lanes_of(&self, id: SourceId) -> usize {
        self.lanes.values().filter(|lane| lane.source == id && lane.run.is_some()).count()
    }

    /// Changes whether a source may be asked. A source that may not loses its lanes at once.
    pub fn set_standing(&mut self, id: SourceId, standing: Standing) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.standing = standing;
        }
        if standing != Standing::Active {
            let of_source: Vec<LaneId> = self.lanes.iter().filter(|(_, l)| l.source == id).map(|(&id, _)| id).collect();
            of_source.into_iter().for_each(|lane| self.cancel(lane));
        }
    }

    /// Sets the length of the content, when something other than an answer tells it.
    pub fn set_size(&mut self, size: u64) {
        self.size = Some(size);
        if let Some(beyond) = Span::new(size, u64::MAX) {
            self.free.remove(beyond);
            self.done.remove(beyond);
        }
        let beyond: Vec<LaneId> =
            self.running().filter(|(_, _, run)| run.position >= size).map(|(id, ..)| id).collect();
        beyond.into_iter().for_each(|lane| self.cancel(lane));
        for run in self.lanes.values_mut().filter_map(|lane| lane.run.as_mut()) {
            if let Some(span) = Span::new(run.span.start(), run.span.end().min(size)) {
                run.span = span;
            }
        }
    }

    /// Takes bytes back that turned out to be wrong: they are fetched again. Lanes are not touched.
    pub fn forget(&mut self, spans: &SpanSet) {
        for span in spans.iter() {
            for held in self.done.intersect(span).iter() {
                self.free.insert(held);
            }
            self.done.remove(span);
        }
    }

    /// Takes in what happened at `now`. Events of lanes that were cancelled are ignored.
    pub fn on(&mut self, now: Time, event: Event) {
        match event {
            Event::Opened { lane, size, ranges } => self.opened(now, lane, size, ranges),
            Event::Waiting { lane } => {
                if let Some((_, run)) = Self::run_mut(&mut self.lanes, &mut self.sources, lane) {
                    (run.asked_at, run.heard_at) = (now, now);
                }
            }
            Event::Received { lane, bytes } => self.received(now, lane, bytes),
            Event::Finished { lane } => self.finished(now, lane),
            Event::Failed { lane, fault } => self.failed(now, lane, fault),
        }
    }

    /// Hands out what is to be done now, in order.
    pub fn poll(&mut self, now: Time) -> Vec<Action> {
        self.expire(now);
        self.rank(now);
        while !self.is_complete() && self.assign(now) {}
        std::mem::take(&mut self.actions)
    }

    /// When [`Scheduler::poll`] should be called next even if nothing happens.
    #[must_use]
    pub fn wakes_at(&self, now: Time) -> Option<Time> {
        let hosts = self.hosts.values().filter_map(|host| host.wakes_at(now));
        let idle = self.running().map(|(_, _, run)| run.heard_at + self.settings.idle_timeout);
        // A tail may become worth taking over, or a silent first request worth hedging, as time passes.
        let look = (!self.is_complete()).then(|| now + self.settings.min_gain);
        hosts.chain(idle).chain(look).min()
    }

    fn opened(&mut self, now: Time, id: LaneId, size: Option<u64>, ranges: bool) {
        let Some((source, run)) = Self::run_mut(&mut self.lanes, &mut self.sources, id) else { return };
        run.opened_at = Some(now);
        run.heard_at = now;
        run.rate = super::rate::Rate::starting(now);
        source.answered(run.asked_at, now);
        source.ranges = Some(ranges);
        let position = run.position;
        let end = run.span.end();
        if let (None, Some(size)) = (self.size, size) {
            self.set_size(size);
        }
        if !ranges && position < end {
            // The answer is the whole content: let the lane have all that is free behind its run.
            if let Some(behind) = Span::new(end, u64::MAX)
                && let Some(more) = self.free.intersect(behind).first()
                && more.start() == end
            {
                self.free.remove(more);
                self.bound(id, more.end());
            }
        }
    }

    fn received(&mut self, now: Time, id: LaneId, bytes: u64) {
        let Some((source, run)) = Self::run_mut(&mut self.lanes, &mut self.sources, id) else { return };
        run.heard_at = now;
        run.moved_at = if bytes > 0 { now } else { run.moved_at };
        run.rate.add(now, bytes);
        source.faults = 0;
        let end = run.position.saturating_add(bytes).min(run.span.end());
        let host = source.spec.host.clone();
        if let Some(written) = Span::new(run.position, end) {
            run.position = end;
            self.done.insert(written);
        }
        if let Some(host) = self.hosts.get_mut(&host) {
            host.worked();
        }
    }

    fn finished(&mut self, now: Time, id: LaneId) {
        let Some(run) = self.end_run(now, id) else { return };
        let source = self.lanes.get(&id).and_then(|lane| self.sources.get(&lane.source));
        if let Some(host) = source.and_then(|source| self.hosts.get_mut(&source.spec.host)) {
            host.finished(now);
        }
        match self.size {
            None => self.set_size(run.position),
            Some(_) => self.release(&run),
        }
    }

    fn failed(&mut self, now: Time, id: LaneId, fault: Fault) {
        let Some(run) = self.end_run(now, id) else { return };
        self.release(&run);
        let Some(lane) = self.lanes.remove(&id) else { return };
        // A connection that broke after it was of use is just opened again.
        let of_use = run.position - run.span.start() >= self.settings.align.saturating_mul(4);
        if !(of_use && fault == Fault::Transient) {
            self.blame(now, lane.source, fault);
        }
    }

    /// Counts a fault against a source and its host.
    fn blame(&mut self, now: Time, id: SourceId, fault: Fault) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let host = source.spec.host.clone();
        match fault {
            Fault::NoRanges => source.ranges = Some(false),
            Fault::Gone => source.standing = Standing::Dropped,
            Fault::Transient | Fault::Stalled | Fault::Throttled { .. } => {
                // Lanes that fail together are one fault: what counts is how often the host was asked again in vain.
                if self.hosts.get(&host).is_none_or(|host| host.wakes_at(now).is_none()) {
                    source.faults += 1;
                }
                if source.faults >= self.settings.attempts {
                    source.standing = Standing::Dropped;
                }
            }
        }
        // Lanes that deliver at this moment.
        let lively = |run: &Run| run.position > run.span.start() && run.heard_at + LIVELY >= now;
        let busy = self.running().filter(|(_, source, run)| source.spec.host == host && lively(run)).count();
        if let Some(host) = self.hosts.get_mut(&host) {
            host.failed(now, fault, busy, &self.settings, &mut self.rng);
        }
    }

    /// Gives up lanes that have been silent for the idle time.
    fn expire(&mut self, now: Time) {
        let timeout = self.settings.idle_timeout;
        let silent: Vec<LaneId> =
            self.running().filter(|(_, _, run)| run.heard_at + timeout <= now).map(|(id, ..)| id).collect();
        for id in silent {
            self.actions.push(Action::Expire { lane: id });
            self.failed(now, id, Fault::Stalled);
        }
    }

    /// Finds out what is rare, from time to time.
    fn rank(&mut self, now: Time) {
        let stale = self.ranks.as_ref().is_none_or(|ranks| ranks.is_stale(now));
        if self.settings.order == Order::Playback {
            if let Some(size) = self.size.filter(|_| stale) {
                self.ranks = Some(Ranks::for_playback(now, size, self.grid));
            }
            return;
        }
        let partly =
            self.sources.values().any(|source| source.standing == Standing::Active && source.spec.holds.is_some());
        if !partly {
            self.ranks = None;
        } else if stale {
            let active = self.sources.values().filter(|source| source.standing == Standing::Active);
            let known: Vec<f64> = active.clone().filter_map(|source| source.lane_rate(now)).collect();
            let usual = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
            let worth = |source: &Source| source.lane_rate(now).unwrap_or(usual) * source.spec.lanes.max(1) as f64;
            self.ranks = Some(Ranks::new(now, active.map(|source| (source.spec.holds.as_ref(), worth(source)))));
        }
    }

    pub(super) fn bound(&mut self, id: LaneId, end: u64) {
        if let Some(run) = self.lanes.get_mut(&id).and_then(|lane| lane.run.as_mut())
            && let Some(span) = Span::new(run.span.start(), end)
        {
            run.span = span;
            self.actions.push(Action::Bound { lane: id, end });
        }
    }

    /// Closes a lane; what it had not delivered is free again.
    pub(super) fn cancel(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.remove(&id) else { return };
        if let Some(run) = lane.run {
            self.release(&run);
        }
        self.actions.push(Action::Cancel { lane: id });
    }

    /// What a run that has ended did not deliver is free again; of a piece that one lane has to write, all.
    pub(super) fn release(&mut self, run: &Run) {
        if let Some(rest) = self.rest_of(run) {
            self.done.remove(rest);
            self.free.insert(rest);
        }
    }

    /// What somebody else would have to fetch of a run: what has not come, and of a piece with one writer all.
    pub(super) fn rest_of(&self, run: &Run) -> Option<Span> {
        let rest = run.rest()?;
        if !run.alone {
            return Some(rest);
        }
        let begin = self.grid.map_or(run.span.start(), |grid| grid.floor(rest.start()).max(run.span.start()));
        Span::new(begin, rest.end())
    }

    /// Ends the lane's run and takes in its rate.
    pub(super) fn end_run(&mut self, now: Time, id: LaneId) -> Option<Run> {
        let lane = self.lanes.get_mut(&id)?;
        let run = lane.run.take()?;
        if let Some(source) = self.sources.get_mut(&lane.source) {
            source.ran(&run);
            // That nothing came is evidence, too, once it has taken longer than usual; of a piece nothing shows before all is there.
            let piece = source.piece(self.grid).map_or(Duration::ZERO, |piece| {
                let seconds = source.lane_rate(now).map_or(5.0, |rate| piece as f64 / rate.max(1.0));
                Duration::from_secs_f64(seconds.min(60.0))
            });
            let waited = now.saturating_sub(run.asked_at);
            if run.position > run.span.start() {
                source.measured(now, if piece.is_zero() { run.rate.at(now) } else { run.average() });
            } else if waited > 2 * (source.latency() + piece) {
                source.measured(now, run.rate.at(now));
            }
        }
        Some(run)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (LaneId, &Source, &Run)> {
        self.lanes.iter().filter_map(|(&id, lane)| Some((id, self.sources.get(&lane.source)?, lane.run.as_ref()?)))
    }

    fn run_mut<'a>(
        lanes: &'a mut BTreeMap<LaneId, Lane>,
        sources: &'a mut BTreeMap<SourceId, Source>,
        id: LaneId,
    ) -> Option<(&'a mut Source, &'a mut Run)> {
        let lane = lanes.get_mut(&id)?;
        Some((sources.get_mut(&lane.source)?, lane.run.as_mut()?))
    }
}
