//! The scheduler alone in thousands of seeded worlds: sources of any rate that stall, break, come late, hold only parts, and lie.
//! Time is simulated, so what is asserted here does not depend on the machine.
//!
//! The lower bound of a world is when its honest sources, all busy from their first answer on with what they hold, would have
//! given every byte: the least time at which no set of parts needs more than those who hold one of them can have given.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use videocloud_downloader::schedule::{
    Action, Event, Fault, LaneId, Scheduler, Settings, SourceId, SourceSpec, Span, SpanSet, Standing, Time,
};

/// Worlds; the whole set that the goals are stated for.
const WORLDS: u64 = 10_000;
/// Piece length, bytes.
const PIECE: u64 = 1 << 20;
/// Parts of a content that a source has or has not.
const PARTS: u64 = 5;

#[derive(Clone, Debug)]
struct Mirror {
    /// Bytes per second of all its lanes together.
    rate: f64,
    latency: f64,
    /// Seconds from when to when it gives nothing.
    stall: Option<(f64, f64)>,
    /// Bytes after which a connection breaks, on average.
    breaks: Option<f64>,
    /// Share of the pieces it gives wrong bytes for.
    lies: f64,
    /// Which parts it has.
    parts: [bool; PARTS as usize],
}

impl Mirror {
    fn random(rng: &mut SmallRng, size: u64) -> Self {
        let rate = 10_f64.powf(rng.random_range(5.0..7.3));
        let stall = rng.random_bool(0.15).then(|| {
            let from = rng.random_range(0.0..20.0);
            (from, from + rng.random_range(1.0..60.0))
        });
        let breaks = rng.random_bool(0.15).then(|| size as f64 * rng.random_range(0.05..0.5));
        let latency = rng.random_range(0.005..0.2);
        Self { rate, latency, stall, breaks, lies: 0.0, parts: [true; PARTS as usize] }
    }

    fn is_honest(&self) -> bool {
        self.lies <= 0.0
    }

    fn gives(&self, at: f64) -> f64 {
        match self.stall {
            Some((from, to)) if (from..to).contains(&at) => 0.0,
            _ => self.rate,
        }
    }

    /// Bytes it can have given by `at`.
    fn given(&self, at: f64) -> f64 {
        let (from, to) = self.stall.map_or((at, at), |(from, to)| (from.max(self.latency), to.max(self.latency)));
        let silent = (at.min(to) - at.min(from)).max(0.0);
        self.rate * (at - self.latency - silent).max(0.0)
    }

    /// Whether it lies about a piece: always the same for a piece.
    fn lies_about(&self, piece: u64) -> bool {
        let dice = (piece + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        (dice as f64) < self.lies * f64::from(1 << 24)
    }
}

struct Lane {
    source: SourceId,
    span: Span,
    position: f64,
    told: u64,
    opens_at: f64,
    opened: bool,
    breaks_at: f64,
}

struct World {
    size: u64,
    mirrors: Vec<Mirror>,
    rng: SmallRng,
    scheduler: Scheduler,
    lanes: BTreeMap<LaneId, Lane>,
    /// Who wrote last, by piece: offset -> (end, writer).
    owners: BTreeMap<u64, (u64, SourceId)>,
    /// Writers of pieces that were bad with several of them.
    suspects: BTreeMap<u64, Vec<SourceId>>,
    proven: SpanSet,
    banned: Vec<SourceId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let size = 2_f64.powf(rng.random_range(26.0..31.0)) as u64;
        let count = rng.random_range(1..=10);
        let mut mirrors: Vec<Mirror> = (0..count).map(|_| Mirror::random(&mut rng, size)).collect();
        if count > 1 && rng.random_bool(0.3) {
            mirrors[0].lies = if rng.random_bool(0.5) { 1.0 } else { rng.random_range(0.01..1.0) };
        }
        if count > 2 && rng.random_bool(0.2) {
            for part in 0..PARTS as usize {
                mirrors.iter_mut().for_each(|mirror| mirror.parts[part] = rng.random_bool(0.5));
                let holder = rng.random_range(1..count as usize);
                mirrors[holder].parts[part] = true;
            }
        }
        let settings = Settings { lanes_per_host: 8, ..Settings::default() };
        let mut scheduler = Scheduler::new(settings, Some(size), SpanSet::default(), seed);
        scheduler.set_pieces(PIECE, 0);
        let mut world = Self {
            size,
            mirrors,
            rng,
            scheduler,
            lanes: BTreeMap::new(),
            owners: BTreeMap::new(),
            suspects: BTreeMap::new(),
            proven: SpanSet::default(),
            banned: Vec::new(),
        };
        world.enlist();
        world
    }

    fn part(&self, part: u64) -> Span {
        let edge = |part: u64| (self.size * part / PARTS).next_multiple_of(PIECE).min(self.size);
        Span::new(edge(part), edge(part + 1)).unwrap()
    }

    fn enlist(&mut self) {
        for id in (0..self.mirrors.len()).filter(|&id| !self.banned.contains(&SourceId(id as u32))) {
            let mirror = &self.mirrors[id];
            let parts = (0..PARTS).filter(|&part| mirror.parts[part as usize]).map(|part| self.part(part));
            let holds = mirror.parts.contains(&false).then(|| parts.collect());
            let spec =
                SourceSpec { host: format!("h{id}"), priority: 0, lanes: 3, longest: None, holds, verified: false };
            self.scheduler.add(SourceId(id as u32), spec, Standing::Active);
        }
    }

    /// The step of simulated time: fine enough for the end, coarse enough for ten thousand worlds.
    fn step(bound: f64) -> f64 {
        (bound / 360.0).clamp(0.002, 1.0)
    }

    /// Whether the honest can have given everything by `at`.
    fn feasible(&self, at: f64) -> bool {
        (1..1_u64 << PARTS).all(|set| {
            let of = |part: &u64| set >> part & 1 == 1;
            let needed: u64 = (0..PARTS).filter(of).map(|part| self.part(part).len()).sum();
            let holders = self.mirrors.iter().filter(|mirror| mirror.is_honest());
            let holders = holders.filter(|mirror| (0..PARTS).filter(of).any(|part| mirror.parts[part as usize]));
            holders.map(|mirror| mirror.given(at)).sum::<f64>() >= needed as f64
        })
    }

    /// Seconds nobody can beat.
    fn bound(&self) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        while !self.feasible(high) {
            (low, high) = (high, 2.0 * high);
        }
        while high - low > 1e-3 * high {
            let middle = 0.5 * (low + high);
            if self.feasible(middle) { high = middle } else { low = middle }
        }
        high
    }

    /// Seconds until every byte is there and proven.
    fn run(mut self) -> f64 {
        let bound = self.bound();
        let step = Self::step(bound);
        let mut at = 0.0;
        loop {
            let now = Duration::from_secs_f64(at);
            for action in self.scheduler.poll(now) {
                self.act(at, action);
            }
            if self.scheduler.is_complete() && Span::new(0, self.size).is_some_and(|all| self.proven.covers(all)) {
                return at;
            }
            if self.scheduler.is_exhausted() {
                // As the engine does: everybody who may come back is asked again after a pause.
                at += 5.0;
                self.enlist();
            }
            assert!(at < 50.0 * bound + 600.0, "no end in sight after {at} s of {bound}: {:?}", self.mirrors);
            self.flow(at, step, now);
            at += step;
        }
    }

    fn act(&mut self, at: f64, action: Action) {
        match action {
            Action::Fetch { lane, source, span } => {
                let mirror = &self.mirrors[source.0 as usize];
                let breaks = mirror.breaks.map_or(f64::MAX, |mean| -mean * self.rng.random_range(1e-9_f64..1.0).ln());
                let position = span.start() as f64;
                let (opens_at, breaks_at) = (at + mirror.latency, position + breaks);
                let told = span.start();
                self.lanes.insert(lane, Lane { source, span, position, told, opens_at, opened: false, breaks_at });
            }
            Action::Bound { lane, end } => {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.span = Span::new(lane.span.start(), end).unwrap_or(lane.span);
                }
            }
            Action::Cancel { lane } | Action::Expire { lane } => {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Lets bytes flow for one step.
    fn flow(&mut self, at: f64, step: f64, now: Time) {
        let mut busy = vec![0.0; self.mirrors.len()];
        for lane in self.lanes.values().filter(|lane| lane.opens_at <= at) {
            busy[lane.source.0 as usize] += 1.0;
        }
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for id in ids {
            let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.opens_at <= at) else { continue };
            let mirror = &self.mirrors[lane.source.0 as usize];
            let gives = mirror.gives(at) * step / busy[lane.source.0 as usize];
            if !lane.opened && gives > 0.0 {
                lane.opened = true;
                self.scheduler.on(now, Event::Opened { lane: id, size: Some(self.size), ranges: true });
            }
            lane.position = (lane.position + gives).min(lane.span.end() as f64);
            let bytes = (lane.position as u64).saturating_sub(lane.told);
            let wrote = Span::new(lane.told, lane.told + bytes);
            lane.told += bytes;
            let (done, broken, source) = (lane.told >= lane.span.end(), lane.position > lane.breaks_at, lane.source);
            if let Some(span) = wrote {
                self.scheduler.on(now, Event::Received { lane: id, bytes });
                self.wrote(source, span);
            }
            if done {
                self.lanes.remove(&id);
                self.scheduler.on(now, Event::Finished { lane: id });
            } else if broken {
                self.lanes.remove(&id);
                self.scheduler.on(now, Event::Failed { lane: id, fault: Fault::Transient });
            }
        }
    }

    fn piece(&self, piece: u64) -> Span {
        Span::new(piece * PIECE, ((piece + 1) * PIECE).min(self.size)).unwrap()
    }

    /// Remembers who wrote, and judges the pieces that became whole, as the engine does.
    fn wrote(&mut self, source: SourceId, span: Span) {
        self.own(span, Some(source));
        for piece in span.start() / PIECE..=(span.end() - 1) / PIECE {
            let whole = self.piece(piece);
            if self.proven.covers(whole) || !self.scheduler.done().covers(whole) {
                continue;
            }
            let mut writers: Vec<SourceId> =
                self.owners.range(whole.start()..whole.end()).map(|(_, &(_, writer))| writer).collect();
            writers.sort();
            writers.dedup();
            let lied = |writer: &SourceId| self.mirrors[writer.0 as usize].lies_about(piece);
            match (writers.iter().any(lied), &writers[..]) {
                (false, _) => {
                    self.proven.insert(whole);
                    self.scheduler.settle(whole);
                    if let [only] = writers[..] {
                        self.scheduler.prove(only);
                    }
                    let suspects = self.suspects.remove(&piece).unwrap_or_default();
                    let liars: Vec<SourceId> = suspects.into_iter().filter(lied).collect();
                    liars.into_iter().for_each(|liar| self.ban(liar));
                }
                (true, &[liar]) => {
                    self.ban(liar);
                    self.void(&SpanSet::of(Some(whole)));
                    if self.suspects.contains_key(&piece) {
                        self.scheduler.refetch_whole(whole);
                    }
                }
                (true, _) => {
                    self.suspects.entry(piece).or_insert(writers);
                    self.void(&SpanSet::of(Some(whole)));
                    self.scheduler.refetch_whole(whole);
                }
            }
        }
    }

    fn void(&mut self, spans: &SpanSet) {
        self.scheduler.forget(spans);
        spans.iter().for_each(|span| self.own(span, None));
    }

    /// Whatever it wrote that is not proven is void.
    fn ban(&mut self, liar: SourceId) {
        if self.banned.contains(&liar) {
            return;
        }
        self.banned.push(liar);
        self.lanes.retain(|_, lane| lane.source != liar);
        self.scheduler.set_standing(liar, Standing::Dropped);
        let wrote = self.owners.iter().filter(|(_, (_, writer))| *writer == liar);
        let mut void: SpanSet = wrote.filter_map(|(&start, &(end, _))| Span::new(start, end)).collect();
        self.proven.iter().for_each(|span| void.remove(span));
        self.void(&void);
    }

    /// Sets who wrote `span`, piece by piece.
    fn own(&mut self, span: Span, writer: Option<SourceId>) {
        let mut start = span.start();
        while start < span.end() {
            let end = ((start / PIECE + 1) * PIECE).min(span.end());
            let overlapping: Vec<(u64, (u64, SourceId))> = self
                .owners
                .range(start / PIECE * PIECE..end)
                .filter(|(_, (to, _))| *to > start)
                .map(|(&a, &b)| (a, b))
                .collect();
            for (from, (to, other)) in overlapping {
                self.owners.remove(&from);
                if from < start {
                    self.owners.insert(from, (start, other));
                }
                if to > end {
                    self.owners.insert(end, (to, other));
                }
            }
            if let Some(writer) = writer {
                match self.owners.range(..start).next_back().map(|(&a, &b)| (a, b)) {
                    Some((from, (to, other))) if to == start && other == writer && !start.is_multiple_of(PIECE) => {
                        self.owners.insert(from, (end, writer));
                    }
                    _ => drop(self.owners.insert(start, (end, writer))),
                }
            }
            start = end;
        }
    }
}

#[test]
fn ten_thousand_worlds_end_near_their_lower_bound() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut ratios: Vec<(f64, u64)> = std::thread::scope(|scope| {
        let part = |first: usize| {
            scope.spawn(move || {
                let seeds = (first as u64..WORLDS).step_by(threads);
                seeds
                    .map(|seed| {
                        let world = World::new(seed);
                        let bound = world.bound();
                        (world.run() / bound, seed)
                    })
                    .collect::<Vec<_>>()
            })
        };
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    ratios.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let at = |part: f64| ratios[(part * (ratios.len() - 1) as f64) as usize].0;
    let (median, p99, worst) = (at(0.5), at(0.99), at(1.0));
    println!("time over the lower bound: median {median:.3}, p90 {:.3}, p99 {p99:.3}, worst {worst:.3}", at(0.9));
    for (ratio, seed) in ratios.iter().rev().take(3) {
        let world = World::new(*seed);
        println!("{ratio:.2} times {:.1} s: seed {seed}, {} bytes of {:?}", world.bound(), world.size, world.mirrors);
    }
    assert!(median <= 1.1, "median {median}");
    assert!(p99 <= 1.5, "p99 {p99}");
}
