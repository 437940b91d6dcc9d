//! What was measured of one swarm in one interval, and what may be learned from it.

use crate::units::{Audience, BytesPerSecond};

/// A sample with less of its allocation used than this was limited by demand.
const USED: f64 = 0.9;

/// A swarm, by its place in the estimator that numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SwarmId(pub u32);

/// How many of the peers' reports an interval rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// Peers that should have reported.
    pub expected: u32,
    /// Peers that did.
    pub received: u32,
}

/// What was special about an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The viewers wanted no more than they got.
    pub demand_limited: bool,
    /// Upload beyond the allocation was lent to the swarm.
    pub borrowed: bool,
    /// The allocation was moved off the optimum to learn from it.
    pub dithered: bool,
}

/// One swarm's interval, averaged over it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The swarm.
    pub swarm: SwarmId,
    /// Number of the interval; grows by one from each to the next.
    pub interval: u64,
    /// Generation of the allocation that was in force.
    pub generation: u64,
    /// `S` as it was allocated.
    pub allocated: BytesPerSecond,
    /// `S` as it was measured.
    pub upload: BytesPerSecond,
    /// `D`, the download of all leechers together.
    pub download: BytesPerSecond,
    /// Who was online, without the cloud's own uploaders.
    pub audience: Audience,
    /// The reports `download` rests on.
    pub reports: Reports,
    /// What was special.
    pub flags: Flags,
}

/// What a sample may teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Nobody was there, or nobody reported.
    Nothing,
    /// How much viewers take at most; the law was not what limited them, or there is no law (a lone viewer).
    Demand,
    /// The law.
    Law,
}

impl Sample {
    /// A sample whose allocation was used to the full and whose leechers all reported.
    #[must_use]
    pub fn new(
        swarm: SwarmId,
        interval: u64,
        upload: BytesPerSecond,
        download: BytesPerSecond,
        audience: Audience,
    ) -> Self {
        let peers = audience.leechers.get().ceil() as u32;
        Self {
            swarm,
            interval,
            generation: 0,
            allocated: upload,
            upload,
            download,
            audience,
            reports: Reports { expected: peers, received: peers },
            flags: Flags::default(),
        }
    }

    /// Whether the viewers, not the cloud, limited the upload.
    #[must_use]
    pub fn is_demand_limited(&self) -> bool {
        self.flags.demand_limited || self.upload.get() < USED * self.allocated.get()
    }

    /// What may be learned from it.
    #[must_use]
    pub fn lesson(&self) -> Lesson {
        if self.audience.is_idle() || self.reports.received == 0 || self.download == BytesPerSecond::ZERO {
            Lesson::Nothing
        } else if self.flags.borrowed || self.is_demand_limited() || self.audience.is_solo() {
            Lesson::Demand
        } else {
            Lesson::Law
        }
    }

    /// Download of one leecher, bytes per second; infinite without leechers.
    #[must_use]
    pub fn download_each(&self) -> f64 {
        self.download.get() / self.audience.leechers.get()
    }
}
