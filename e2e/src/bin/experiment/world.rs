//! The swarms, the lines of their peers, and who arrives when: drawn from the block's number alone, so that all arms of a block meet the
//! same viewers.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;

use crate::crowd::{Client, Line};

/// What a swarm is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// All come at once, and nobody has it yet.
    Flash,
    /// Viewers come one by one, and some have it.
    Mature,
    /// One viewer at a time, and nobody else.
    Solo,
}

const SWARMS: [Kind; 8] =
    [Kind::Flash, Kind::Flash, Kind::Flash, Kind::Mature, Kind::Mature, Kind::Mature, Kind::Solo, Kind::Solo];

/// How large and how long it all is.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Scale {
    pub name: &'static str,
    /// Viewers at a time in a flash crowd and in a mature swarm.
    pub flash: usize,
    pub mature: usize,
    /// Seeds of a mature swarm.
    pub seeds: usize,
    /// Peers that are aria2.
    pub aria2: usize,
    /// Bytes of a content.
    pub size: u64,
    /// Median upload and the download of a peer, bytes per second.
    pub up: f64,
    pub down: u64,
    /// The rate at which a content plays, and what the uploader may send, bytes per second.
    pub target: u64,
    pub capacity: u64,
    /// Seconds of an interval, of an arm in a block, and blocks.
    pub interval: u64,
    pub seconds: u64,
    pub blocks: u64,
}

impl Scale {
    /// For a look, in minutes.
    pub const SHORT: Self = Self {
        name: "short",
        flash: 4,
        mature: 3,
        seeds: 1,
        aria2: 2,
        size: 3_000_000,
        up: 50_000.0,
        down: 250_000,
        target: 80_000,
        capacity: 900_000,
        interval: 5,
        seconds: 60,
        blocks: 2,
    };
    /// The same with more capacity than its viewers need.
    pub const fn ample(self) -> Self {
        Self { capacity: 3 * self.capacity, ..self }
    }

    /// As reference figures are made, in hours.
    pub const LONG: Self = Self {
        name: "long",
        flash: 8,
        mature: 6,
        seeds: 2,
        aria2: 6,
        size: 16_000_000,
        up: 72_000.0,
        down: 500_000,
        target: 100_000,
        capacity: 2_500_000,
        interval: 15,
        seconds: 400,
        blocks: 10,
    };
}

/// A place that viewers take one after another.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub swarm: usize,
    pub seed: bool,
    pub line: Line,
    pub client: Client,
}

/// All that does not change with blocks.
#[derive(Debug, Clone)]
pub struct World {
    pub scale: Scale,
    pub kinds: Vec<Kind>,
    pub slots: Vec<Slot>,
}

impl World {
    /// The world of a scale. With `alike` all swarms are mature and all lines the same: no policy has anything to gain.
    pub fn new(scale: Scale, alike: bool) -> Self {
        let mut chance = StdRng::seed_from_u64(1);
        let kinds = if alike { vec![Kind::Mature; SWARMS.len()] } else { SWARMS.to_vec() };
        let mut slots = Vec::new();
        for (swarm, kind) in kinds.iter().enumerate() {
            let (viewers, seeds) = match kind {
                Kind::Flash => (scale.flash, 0),
                Kind::Mature => (scale.mature, scale.seeds),
                Kind::Solo => (1, 0),
            };
            // Uploads differ between swarms and between peers.
            let whole = if alike { 0.0 } else { 0.5 * normal(&mut chance) };
            for place in 0..viewers + seeds {
                let own = if alike { 0.0 } else { 0.4 * normal(&mut chance) };
                let up = (scale.up * (whole + own).exp()).clamp(8_000.0, scale.down as f64) as u64;
                let line = Line { up, down: scale.down };
                slots.push(Slot { swarm, seed: place >= viewers, line, client: Client::Libtorrent });
            }
        }
        let step = (slots.len() / scale.aria2.max(1)).max(1);
        for slot in slots.iter_mut().filter(|slot| !slot.seed).step_by(step).take(scale.aria2) {
            slot.client = Client::Aria2;
        }
        Self { scale, kinds, slots }
    }

    /// Seconds at which viewers come to each slot in a block, and for how long each stays when it has everything.
    pub fn arrivals(&self, block: u64) -> Vec<Vec<(f64, f64)>> {
        let mut chance = StdRng::seed_from_u64(1000 + block);
        let whole = self.scale.seconds as f64;
        let mut come = |slot: &Slot| -> Vec<(f64, f64)> {
            if slot.seed {
                return vec![(0.0, whole)];
            }
            match self.kinds[slot.swarm] {
                Kind::Flash => vec![(0.08 * whole * chance.random::<f64>(), 0.0)],
                Kind::Solo => vec![(0.05 * whole * chance.random::<f64>(), 0.0), (0.5 * whole, 0.0)],
                Kind::Mature => {
                    let gap = 1.3 * self.scale.size as f64 / self.scale.target as f64;
                    let (mut at, mut all) = (0.3 * gap * chance.random::<f64>(), Vec::new());
                    while at < whole {
                        let stays = if chance.random_bool(0.5) { 0.2 * gap } else { 0.0 };
                        all.push((at, stays));
                        at -= gap * (1.0 - chance.random::<f64>()).ln();
                    }
                    all
                }
            }
        };
        self.slots.iter().map(&mut come).collect()
    }
}

/// A standard normal value (Box and Muller).
fn normal(chance: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - chance.random::<f64>(), chance.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
