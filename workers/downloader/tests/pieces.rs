//! The scheduler in simulated swarms: peers of uneven rate that give whole pieces or nothing, as those of a torrent do, or parts of
//! pieces where those are long.
//! Time is simulated, so what is asserted here does not depend on the machine.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use videocloud_downloader::schedule::{
    Action, Event, LaneId, Scheduler, Settings, SourceId, SourceSpec, Span, SpanSet, Standing,
};

const MIB: u64 = 1 << 20;
const STEP: f64 = 0.01;
/// Bytes that are on their way when a request is taken back, as seconds of a peer's rate.
const ON_ITS_WAY: f64 = 0.2;

/// A peer's order: what of it is still to come.
struct Lane {
    peer: usize,
    span: Span,
    /// Offset of the next piece's begin, and bytes of that piece that have come; below zero while others come first.
    piece: u64,
    have: f64,
    told: u64,
    /// Where the order ended before its end was moved.
    asked: u64,
}

struct Swarm {
    rates: Vec<f64>,
    size: u64,
    length: u64,
    scheduler: Scheduler,
    lanes: BTreeMap<LaneId, Lane>,
    /// Bytes of taken-back requests that each peer sends all the same.
    debt: Vec<f64>,
}

impl Swarm {
    /// Peers that give `length` bytes at a time of pieces of `piece` bytes.
    fn new(rates: &[f64], size: u64, (piece, length): (u64, u64), seed: u64) -> Self {
        let mut scheduler = Scheduler::new(Settings::default(), Some(size), SpanSet::default(), seed);
        scheduler.set_pieces(piece, 0);
        let verified = piece == length;
        for id in 0..rates.len() {
            let holds = Some(SpanSet::of(Span::new(0, size)));
            let spec = SourceSpec { host: format!("p{id}"), priority: 0, lanes: 1, longest: None, holds, verified };
            scheduler.add(SourceId(id as u32), spec, Standing::Active);
        }
        let (rates, debt) = (rates.to_vec(), vec![0.0; rates.len()]);
        Self { rates, size, length, scheduler, lanes: BTreeMap::new(), debt }
    }

    fn take_back(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.remove(&lane) {
            self.debt[lane.peer] = ON_ITS_WAY * self.rates[lane.peer];
        }
    }

    /// Seconds until all is there.
    fn run(mut self) -> f64 {
        let mut at = 0.0;
        while !self.scheduler.is_complete() {
            let now = Duration::from_secs_f64(at);
            for action in self.scheduler.poll(now) {
                match action {
                    Action::Fetch { lane, source, span } => {
                        let piece = span.start() - span.start() % self.length;
                        let order = Lane {
                            peer: source.0 as usize,
                            span,
                            piece,
                            have: 0.0,
                            told: span.start(),
                            asked: span.end(),
                        };
                        self.lanes.insert(lane, order);
                        self.scheduler.on(now, Event::Opened { lane, size: Some(self.size), ranges: true });
                    }
                    Action::Bound { lane, end } => {
                        let lane = self.lanes.get_mut(&lane).unwrap();
                        lane.span = Span::new(lane.span.start(), end).unwrap();
                    }
                    Action::Cancel { lane } | Action::Expire { lane } => self.take_back(lane),
                }
            }
            at += STEP;
            self.flow(Duration::from_secs_f64(at));
            assert!(at < 3600.0, "no end in sight: {:?}", self.rates);
        }
        at
    }

    fn flow(&mut self, now: Duration) {
        let mut news = Vec::new();
        for (&id, lane) in &mut self.lanes {
            let mut came = self.rates[lane.peer] * STEP;
            let owed = self.debt[lane.peer].min(came);
            self.debt[lane.peer] -= owed;
            came -= owed;
            lane.have += came;
            let mut bytes = 0;
            while lane.told < lane.span.end() {
                let end = (lane.piece + self.length).min(self.size);
                if lane.have < (end - lane.piece) as f64 {
                    break;
                }
                lane.have -= (end - lane.piece) as f64;
                lane.piece = end;
                let told = end.min(lane.span.end());
                bytes += told - lane.told;
                lane.told = told;
            }
            news.push((id, bytes, lane.told >= lane.span.end()));
        }
        for (lane, bytes, finished) in news {
            self.scheduler.on(now, Event::Received { lane, bytes });
            if finished {
                self.scheduler.on(now, Event::Finished { lane });
                let done = self.lanes.remove(&lane).unwrap();
                // What it had asked for beyond a bound that moved comes in vain.
                let beyond = if done.asked > done.span.end() { ON_ITS_WAY * self.rates[done.peer] } else { 0.0 };
                self.debt[done.peer] += beyond;
            }
        }
    }
}

/// Time over the least there can be.
fn ratio(rates: &[f64], size: u64, length: u64, seed: u64) -> f64 {
    Swarm::new(rates, size, (length, length), seed).run() * rates.iter().sum::<f64>() / size as f64
}

#[test]
fn ten_uneven_seeds_are_used_to_the_end() {
    let rates = [1e6, 1e6, 2e6, 2e6, 3e6, 3e6, 4e6, 4e6, 5e6, 6e6];
    for (size, length, most) in [(96, 1, 1.15), (96, 4, 1.5), (512, 1, 1.06), (512, 4, 1.2)] {
        let found = ratio(&rates, size * MIB, length * MIB, 1);
        assert!(found < most, "{size} MiB in pieces of {length} MiB: {found:.3} of the least time");
    }
}

/// A run that ends within a piece costs the whole piece, and the next one again.
#[test]
fn slow_peers_with_long_pieces_bring_every_byte_once() {
    let rates = [1e5; 20];
    let found = ratio(&rates, 512 * MIB, 4 * MIB, 2);
    assert!(found < 1.2, "{found:.3} of the least time");
}

#[test]
fn peers_that_share_long_pieces_end_together() {
    let (piece, part) = (16 * MIB, 16 << 10);
    let uneven = [1e6, 1e6, 2e6, 2e6, 3e6, 3e6, 4e6, 4e6, 5e6, 6e6];
    for (rates, size, most) in [(&uneven[..], 96 * MIB, 1.1), (&uneven, 16 * MIB, 1.25), (&[1e5; 20], 256 * MIB, 1.05)]
    {
        let found = Swarm::new(rates, size, (piece, part), 3).run() * rates.iter().sum::<f64>() / size as f64;
        assert!(found < most, "{size} bytes: {found:.3} of the least time");
    }
}

#[test]
fn random_swarms_end_near_the_least_time() {
    let mut ratios: Vec<f64> = (0..150)
        .map(|seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            let count = rng.random_range(2..30);
            let rates: Vec<f64> = (0..count).map(|_| 10_f64.powf(rng.random_range(5.0..7.0))).collect();
            let length = 1 << rng.random_range(18..=21);
            let all: f64 = rates.iter().sum();
            let size = (all * rng.random_range(8.0..60.0)) as u64;
            ratio(&rates, size, length, seed)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (median, late) = (ratios[75], ratios[148]);
    assert!(median < 1.05 && late < 1.2, "median {median:.3}, 99th percentile {late:.3}");
}
