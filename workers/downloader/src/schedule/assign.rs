//! Who takes what next: the part of the state machine that hands out work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Action, Fault, LaneId, SourceId, Standing};
use super::host::Host;
use super::lane::{Lane, Run};
use super::plan::Scheduler;
use super::rate::Time;
use super::run_length::{Grid, run_of};
use super::source::Source;
use super::span::{Span, SpanSet};
use super::steal::{self, Thief, Victim};

/// While the length is unknown one request is under way; another source is tried after this silence.
const HEDGE: Duration = Duration::from_secs(1);

/// Bytes per second of a lane while nothing was measured anywhere.
const ASSUMED_RATE: f64 = 1_048_576.0;

/// What may lie in the buffers of a connection, bytes, and for how long it is left there, seconds: when this process or its machine
/// paused, the source seems silent.
const BUFFERED: u64 = 1 << 20;
const BUFFERED_FOR: f64 = 2.0;

impl Scheduler {
    /// Gives work to one lane; false when nobody can take any.
    pub(super) fn assign(&mut self, now: Time) -> bool {
        if self.size.is_none() && self.running().any(|(_, _, run)| run.heard_at + HEDGE > now) {
            return false;
        }
        for id in self.candidates(now) {
            if let Some((span, alone)) = self.free_run(now, id) {
                self.free.remove(span);
                self.fetch(now, id, span, alone);
                return true;
            }
            if self.steal_for(now, id) {
                return true;
            }
        }
        false
    }

    /// Sources that may take one more lane and have a use for it: those with the fewest lanes first, then the fastest, then by priority.
    fn candidates(&self, now: Time) -> Vec<SourceId> {
        let mut busy: BTreeMap<SourceId, usize> = BTreeMap::new();
        let mut busy_host: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sated: BTreeSet<SourceId> = BTreeSet::new();
        for (lane, source, run) in self.running() {
            sated.extend(self.lanes.get(&lane).filter(|_| source.suffices(now, run)).map(|lane| lane.source));
            *busy_host.entry(&source.spec.host).or_default() += 1;
        }
        for lane in self.lanes.values().filter(|lane| lane.run.is_some()) {
            *busy.entry(lane.source).or_default() += 1;
        }
        if busy.values().sum::<usize>() >= self.settings.lanes {
            return Vec::new();
        }
        let running = |id: SourceId| busy.get(&id).copied().unwrap_or(0);
        let may = |(id, source): &(&SourceId, &Source)| {
            let host = self.hosts.get(&source.spec.host).map_or(0, |host| host.allowed(now));
            let lanes = if sated.contains(id) { 0 } else { source.lanes() };
            running(**id) < lanes && busy_host.get(&*source.spec.host).copied().unwrap_or(0) < host
        };
        let mut able: Vec<(&SourceId, &Source)> = self.sources.iter().filter(may).collect();
        able.sort_by(|(a, x), (b, y)| {
            let speed = |source: &Source| source.lane_rate(now).unwrap_or(0.0);
            running(**a)
                .cmp(&running(**b))
                .then(speed(y).total_cmp(&speed(x)))
                .then(x.spec.priority.cmp(&y.spec.priority))
                .then(a.cmp(b))
        });
        able.into_iter().map(|(&id, _)| id).collect()
    }

    /// The free bytes `id` should fetch next, and whether its pieces are to have one writer each.
    fn free_run(&self, now: Time, id: SourceId) -> Option<(Span, bool)> {
        let source = self.sources.get(&id)?;
        if source.ranges == Some(false) {
            return self.free_extent(source, None, 0).map(|extent| (extent, false));
        }
        let trial = self.on_trial(id);
        match &self.ranks {
            None => self.run_within(now, source, None, trial),
            Some(ranks) => ranks.sets().find_map(|set| self.run_within(now, source, Some(set), trial)),
        }
    }

    /// The first run for `source` in the free bytes of `set`.
    fn run_within(
        &self,
        now: Time,
        source: &Source,
        set: Option<&SpanSet>,
        trial: Option<Grid>,
    ) -> Option<(Span, bool)> {
        let mut from = 0;
        let extent = loop {
            let extent = self.free_extent(source, set, from)?;
            if let Some((&start, &end)) = self.whole.range(..=extent.start()).next_back()
                && extent.start() < end
            {
                let whole = Span::new(start, end)?;
                if source.holds(whole) && self.free.covers(whole) {
                    return Some((whole, true));
                }
                from = end;
                continue;
            }
            let next_whole = self.whole.range(extent.start()..).next().map_or(u64::MAX, |(&start, _)| start);
            let extent = Span::new(extent.start(), extent.end().min(next_whole))?;
            let Some(grid) = trial else { break extent };
            // Whole pieces only; the last may be shorter.
            let last = self.size.is_some_and(|size| size == extent.end());
            let end = if last { extent.end() } else { grid.floor(extent.end()) };
            match Span::new(grid.ceil(extent.start()), end) {
                Some(pieces) => break pieces,
                None => from = extent.end(),
            }
        };
        let rate = source.lane_rate(now);
        let run = match trial {
            None => {
                let share = self.share(now, source, extent);
                run_of(extent, share, rate, self.grid, source.spec.verified, &self.settings)
            }
            Some(grid) => {
                let end = grid.ceil(extent.start().saturating_add(self.settings.min_run.min(grid.length).max(1)));
                Span::new(extent.start(), end.min(extent.end()))?
            }
        };
        let longest = source.spec.longest.map_or(u64::MAX, |longest| run.start().saturating_add(longest.max(1)));
        Some((Span::new(run.start(), run.end().min(longest))?, trial.is_some()))
    }

    /// The part of the free bytes that one lane of `source` would bring if all lanes ended together, of those that could take the
    /// begin of `extent`; `None` when there is no other.
    fn share(&self, now: Time, source: &Source, extent: Span) -> Option<u64> {
        let first = Span::new(extent.start(), extent.start() + 1)?;
        let able = |s: &&Source| s.standing == Standing::Active && s.ranges != Some(false) && s.holds(first);
        let active = || self.sources.values().filter(able);
        let lanes = active().map(|s| s.spec.lanes.max(1)).sum::<usize>();
        if lanes.min(self.settings.lanes) <= 1 {
            return None;
        }
        let known = || active().filter_map(|s| s.lane_rate(now));
        let usual = known().sum::<f64>() / known().count().max(1) as f64;
        let rate = |source: &Source| source.lane_rate(now).unwrap_or(usual).max(1.0);
        let all: f64 = active().map(|s| rate(s) * s.spec.lanes.max(1) as f64).sum();
        // More lanes than may be open at once: each of those that are brings more.
        let crowded = (lanes as f64 / self.settings.lanes as f64).max(1.0);
        Some((self.free.total() as f64 * (rate(source) * crowded / all.max(1.0)).min(1.0)) as u64)
    }

    /// The first bytes at or behind `from` that are free, that `source` has, and that are in `set`.
    fn free_extent(&self, source: &Source, set: Option<&SpanSet>, mut from: u64) -> Option<Span> {
        let Some(set) = set else {
            return match &source.spec.holds {
                None => self.free.span_from(from),
                Some(holds) => self.free.common_from(holds, from),
            };
        };
        loop {
            let extent = self.free.common_from(set, from)?;
            let Some(holds) = &source.spec.holds else { return Some(extent) };
            let held = holds.span_from(extent.start())?;
            if let Some(both) = extent.overlap(held) {
                return Some(both);
            }
            from = held.start();
        }
    }

    /// The grid whose whole pieces `id` is given, as long as it is on trial: nothing has shown that it does not lie, and others are
    /// there who have shown it or may. Of pieces longer than a first run the trial itself would take too long.
    fn on_trial(&self, id: SourceId) -> Option<Grid> {
        let source = self.sources.get(&id)?;
        let others = self.sources.iter().any(|(&other, s)| other != id && s.standing == Standing::Active);
        self.grid.filter(|grid| !source.proven && others && grid.length <= self.settings.first_run)
    }

    /// Takes over what the run that would end last has still to deliver, or its tail, if `id` makes it end sooner.
    fn steal_for(&mut self, now: Time, id: SourceId) -> bool {
        let Some(source) = self.sources.get(&id) else { return false };
        if self.size.is_none() || source.ranges == Some(false) {
            return false;
        }
        let trial = self.on_trial(id);
        let thief = Thief {
            rate: source.lane_rate(now),
            latency: source.latency().as_secs_f64(),
            trial: trial.is_some(),
            whole: source.spec.verified,
        };
        // A run that has just begun is given its time: taking it over at once would only begin it again.
        let settled = |run: &Run| now.saturating_sub(run.asked_at) >= self.settings.min_gain;
        let victims = self.running().filter(|(_, _, run)| settled(run));
        let victims = victims.filter_map(|(lane, victim, run)| {
            let known = victim.lane_rate(now).or(thief.rate).unwrap_or(ASSUMED_RATE);
            let rest = self.rest_of(run).filter(|rest| source.holds(*rest))?;
            let piece = victim.piece(self.grid);
            let eta = run.eta(now, victim.latency(), known, piece);
            let age = now.saturating_sub(run.asked_at).as_secs_f64();
            // Another connection to the same host brings no earlier what is here already.
            let here = victim.spec.host == source.spec.host && rest.len() <= BUFFERED && age < BUFFERED_FOR;
            if here {
                return None;
            }
            Some(Victim { lane, rest, eta, age, alone: run.alone, whole: piece.is_some() })
        });
        let Some(steal) = steal::best(victims, thief, self.grid, &self.settings) else { return false };
        if steal.whole {
            self.relieve(now, steal.victim);
        } else {
            self.bound(steal.victim, steal.span.start());
        }
        self.free.remove(steal.span);
        let whole = self.whole.get(&steal.span.start()) == Some(&steal.span.end());
        self.fetch(now, id, steal.span, whole || trial.is_some());
        true
    }

    /// Stops a lane whose whole rest is taken over; silence counts against its host.
    fn relieve(&mut self, now: Time, id: LaneId) {
        let Some((_, source, run)) = self.running().find(|(lane, ..)| *lane == id) else { return };
        let silent = now.saturating_sub(run.heard_at) > self.settings.idle_timeout / 4;
        let host = source.spec.host.clone();
        if let Some(run) = self.end_run(now, id) {
            self.release(&run);
        }
        self.cancel(id);
        if silent && let Some(host) = self.hosts.get_mut(&host) {
            host.failed(now, Fault::Stalled, 0, &self.settings, &mut self.rng);
        }
    }

    /// Closes a connection that another source of the same host keeps open, if the host may have no more.
    fn make_room(&mut self, source: SourceId) {
        let Some(host) = self.sources.get(&source).map(|source| source.spec.host.clone()) else { return };
        let most = self.hosts.get(&host).map_or(usize::MAX, Host::most);
        if self.connections_to(&host) < most {
            return;
        }
        let idle = self.lanes.iter().find(|(_, lane)| lane.run.is_none() && self.is_to(lane, &host));
        if let Some(id) = idle.map(|(&id, _)| id) {
            self.cancel(id);
        }
    }

    fn fetch(&mut self, now: Time, source: SourceId, span: Span, alone: bool) {
        let idle = self.lanes.iter().find(|(_, lane)| lane.source == source && lane.run.is_none()).map(|(&id, _)| id);
        let lane = idle.unwrap_or_else(|| {
            self.make_room(source);
            self.next_lane += 1;
            LaneId(self.next_lane)
        });
        self.lanes.insert(lane, Lane { source, run: Some(Run::new(now, span, alone)) });
        self.actions.push(Action::Fetch { lane, source, span });
    }
}
