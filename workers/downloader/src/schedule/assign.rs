//! Who takes what next: the part of the state machine that hands out work.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Action, Fault, LaneId, SourceId, Standing};
use super::lane::{Lane, Run};
use super::plan::Scheduler;
use super::rate::Time;
use super::run_length::run_of;
use super::source::Source;
use super::span::Span;
use super::steal::{self, Thief, Victim};

/// While the length is unknown one request is under way; another source is tried after this silence.
const HEDGE: Duration = Duration::from_secs(1);

/// Bytes per second of a lane while nothing was measured anywhere.
const ASSUMED_RATE: f64 = 1_048_576.0;

impl Scheduler {
    /// Gives work to one lane; false when nobody can take any.
    pub(super) fn assign(&mut self, now: Time) -> bool {
        if self.size.is_none() && self.running().any(|(_, _, run)| run.heard_at + HEDGE > now) {
            return false;
        }
        for id in self.candidates(now) {
            if let Some(span) = self.free_run(id) {
                self.free.remove(span);
                self.fetch(now, id, span);
                return true;
            }
            if self.steal_for(now, id) {
                return true;
            }
        }
        false
    }

    /// Sources that may take one more lane: those with the fewest lanes first, then the fastest, then by priority.
    fn candidates(&self, now: Time) -> Vec<SourceId> {
        let mut busy: BTreeMap<SourceId, usize> = BTreeMap::new();
        let mut busy_host: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, source, _) in self.running() {
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
            running(**id) < source.lanes() && busy_host.get(&*source.spec.host).copied().unwrap_or(0) < host
        };
        let mut able: Vec<(&SourceId, &Source)> = self.sources.iter().filter(may).collect();
        able.sort_by(|(a, x), (b, y)| {
            let speed = |source: &Source| source.lane_rate().unwrap_or(0.0);
            running(**a)
                .cmp(&running(**b))
                .then(speed(y).total_cmp(&speed(x)))
                .then(x.spec.priority.cmp(&y.spec.priority))
                .then(a.cmp(b))
        });
        able.into_iter().map(|(&id, _)| id).collect()
    }

    /// The free bytes `id` should fetch next, in playback order.
    fn free_run(&self, id: SourceId) -> Option<Span> {
        let source = self.sources.get(&id)?;
        let mut from = 0;
        let extent = loop {
            let extent = match &source.spec.holds {
                None => self.free.span_from(from)?,
                Some(holds) => self.free.common_from(holds, from)?,
            };
            if source.ranges == Some(false) {
                return Some(extent);
            }
            match self.whole.range(..=extent.start()).next_back() {
                Some((&start, &end)) if extent.start() < end => {
                    let whole = Span::new(start, end)?;
                    if source.holds(whole) && self.free.covers(whole) {
                        return Some(whole);
                    }
                    from = end;
                }
                _ => break extent,
            }
        };
        let next_whole = self.whole.range(extent.start()..).next().map_or(u64::MAX, |(&start, _)| start);
        let extent = Span::new(extent.start(), extent.end().min(next_whole))?;
        let active = self.sources.values().filter(|s| s.standing == Standing::Active && s.ranges != Some(false));
        let lanes = active.map(|s| s.spec.lanes.max(1)).sum::<usize>().min(self.settings.lanes);
        let run = run_of(extent, self.free.total(), lanes, source.lane_rate(), self.grid, &self.settings);
        let longest = source.spec.longest.map_or(u64::MAX, |longest| run.start().saturating_add(longest.max(1)));
        Span::new(run.start(), run.end().min(longest))
    }

    /// Takes over the tail of the run that would end last, if `id` makes it end sooner.
    fn steal_for(&mut self, now: Time, id: SourceId) -> bool {
        let Some(source) = self.sources.get(&id) else { return false };
        if self.size.is_none() || source.ranges == Some(false) {
            return false;
        }
        let thief = Thief { rate: source.lane_rate(), latency: source.latency().as_secs_f64() };
        // A run that has just begun is given its time: taking it over at once would only begin it again.
        let settled = |run: &Run| now.saturating_sub(run.asked_at) >= self.settings.min_gain;
        let whole = |run: &Run| self.whole.get(&run.span.start()) == Some(&run.span.end());
        let victims = self.running().filter(|(_, _, run)| settled(run) && !whole(run));
        let victims = victims.filter_map(|(lane, victim, run)| {
            let known = victim.lane_rate().or(thief.rate).unwrap_or(ASSUMED_RATE);
            let rest = run.rest().filter(|rest| source.holds(*rest))?;
            Some(Victim { lane, rest, eta: run.eta(now, victim.latency(), known) })
        });
        let Some(steal) = steal::best(victims, thief, &self.settings) else { return false };
        let position = self.lanes.get(&steal.victim).and_then(|lane| lane.run.as_ref()).map(|run| run.position);
        if position == Some(steal.span.start()) {
            self.relieve(now, steal.victim);
        } else {
            self.bound(steal.victim, steal.span.start());
        }
        self.free.remove(steal.span);
        self.fetch(now, id, steal.span);
        true
    }

    /// Stops a lane whose whole rest is taken over; silence counts against its host.
    fn relieve(&mut self, now: Time, id: LaneId) {
        let Some((_, source, run)) = self.running().find(|(lane, ..)| *lane == id) else { return };
        let silent = now.saturating_sub(run.heard_at) > self.settings.idle_timeout / 4;
        let host = source.spec.host.clone();
        self.end_run(now, id);
        self.cancel(id);
        if silent && let Some(host) = self.hosts.get_mut(&host) {
            host.failed(now, Fault::Stalled, 0, &self.settings, &mut self.rng);
        }
    }

    fn fetch(&mut self, now: Time, source: SourceId, span: Span) {
        let idle = self.lanes.iter().find(|(_, lane)| lane.source == source && lane.run.is_none()).map(|(&id, _)| id);
        let lane = idle.unwrap_or_else(|| {
            self.next_lane += 1;
            LaneId(self.next_lane)
        });
        self.lanes.insert(lane, Lane { source, run: Some(Run::new(now, span)) });
        self.actions.push(Action::Fetch { lane, source, span });
    }
}
