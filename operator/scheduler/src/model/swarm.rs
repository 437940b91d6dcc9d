//! One swarm as the scheduler sees it, and the range its upload must stay in.

use super::{Law, Objective, SwarmLaw};
use crate::units::{Audience, BytesPerSecond, Weight};

/// The most clusters one pool can have.
pub const MAX_CLUSTERS: usize = 128;

/// Floor of a lone viewer without seeds, bytes per second each: nobody else can serve him, and
/// his marginal of 1 would lose against every swarm.
pub const SOLO_FLOOR: f64 = 30_000.0;

/// The clusters that can serve a swarm, by index into the pool's clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterSet(u128);

impl ClusterSet {
    /// No cluster; a problem refuses a swarm nobody can serve.
    pub const NONE: Self = Self(0);
    /// Every cluster there is.
    pub const ALL: Self = Self(u128::MAX);

    /// This set and one more cluster; an index of [`MAX_CLUSTERS`] or more is left out.
    #[must_use]
    pub const fn with(self, index: usize) -> Self {
        if index < MAX_CLUSTERS { Self(self.0 | 1 << index) } else { self }
    }

    /// Whether the set has this cluster.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        index < MAX_CLUSTERS && self.0 >> index & 1 == 1
    }

    /// The clusters in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The clusters of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The first `count` clusters.
    #[must_use]
    pub const fn first(count: usize) -> Self {
        if count >= MAX_CLUSTERS { Self::ALL } else { Self((1 << count) - 1) }
    }

    /// Whether no cluster is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many clusters are in the set.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The indices in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let index = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                index
            })
        })
    }
}

impl FromIterator<usize> for ClusterSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        indices.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A tenant of the pool, by index into the pool's tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub u32);

/// One swarm: who is in it, the law it follows, and what its owner asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Swarm {
    /// Seeders and leechers online.
    pub audience: Audience,
    /// The law it was found to follow.
    pub law: SwarmLaw,
    /// How many times its utility counts.
    pub weight: Weight,
    /// Least upload of the whole swarm; `None`: [`SOLO_FLOOR`] for a lone viewer, else nothing.
    pub floor: Option<BytesPerSecond>,
    /// Least download rate of each leecher, as far as the law says upload can give it.
    pub viewer_floor: Option<BytesPerSecond>,
    /// Most upload of the whole swarm.
    pub ceiling: Option<BytesPerSecond>,
    /// The most one viewer's line takes, `d_max`.
    pub viewer_limit: Option<BytesPerSecond>,
    /// Mean upload of one peer where it was measured.
    pub peer_upload: Option<BytesPerSecond>,
    /// Feedback on the need of [`Objective::Target`]: 1 where measured and promised rates agree.
    pub correction: f64,
    /// The clusters that can serve it.
    pub clusters: ClusterSet,
    /// Whose share it counts against.
    pub tenant: Option<TenantId>,
}

impl Swarm {
    /// A swarm with no wishes: weight 1, any cluster, no limits.
    #[must_use]
    pub fn new(audience: Audience, law: SwarmLaw) -> Self {
        Self {
            audience,
            law,
            weight: Weight::ONE,
            floor: None,
            viewer_floor: None,
            ceiling: None,
            viewer_limit: None,
            peer_upload: None,
            correction: 1.0,
            clusters: ClusterSet::ALL,
            tenant: None,
        }
    }

    /// The law that holds for the present audience.
    #[must_use]
    pub fn present_law(&self) -> SwarmLaw {
        self.law.at(self.audience)
    }

    /// Predicted total download at this upload, with the viewers' own lines as the limit.
    #[must_use]
    pub fn download(&self, upload: BytesPerSecond) -> BytesPerSecond {
        let download = self.present_law().download(self.audience, upload).get();
        let limit = self.viewer_limit.map_or(f64::INFINITY, |rate| rate.get() * self.audience.leechers.get());
        BytesPerSecond::clamped(download.min(limit))
    }

    /// Predicted marginal utility at this upload, `dD/dS`.
    #[must_use]
    pub fn marginal(&self, upload: BytesPerSecond) -> f64 {
        self.present_law().marginal(self.audience, upload)
    }

    /// The range `lo..=hi` of its upload, bytes per second, spending nothing that brings less than
    /// `min_marginal` bytes of download per byte; the floor goes before that, the ceiling
    /// before the floor.
    #[must_use]
    pub fn range(&self, min_marginal: f64) -> (f64, f64) {
        let leechers = self.audience.leechers.get();
        if self.audience.is_idle() {
            return (0.0, 0.0);
        }
        let law = self.present_law();
        let mut hi = self.ceiling.unwrap_or(BytesPerSecond::MAX).get();
        if let Some(limit) = self.viewer_limit {
            hi = hi.min(self.least_for(limit.get() * leechers));
        }
        hi = hi.min(match law {
            SwarmLaw::Power(power) => power.unit_multiplier(self.audience),
            SwarmLaw::Regimes(regimes) => regimes.demand().get() * leechers,
            SwarmLaw::Solo(_) => f64::INFINITY,
        });
        let mut lo = match (self.floor, law) {
            (Some(floor), _) => floor.get(),
            (None, SwarmLaw::Solo(_)) => SOLO_FLOOR * leechers,
            (None, _) => 0.0,
        };
        if let Some(floor) = self.viewer_floor {
            lo = lo.max(self.least_for(floor.get() * leechers));
        }
        lo = lo.min(hi);
        if min_marginal > 0.0 {
            hi = hi.min(match law {
                SwarmLaw::Power(power) => power.upload_at_marginal(self.audience, min_marginal),
                SwarmLaw::Regimes(regimes) => regimes.upload_at_marginal(self.audience, min_marginal),
                SwarmLaw::Solo(_) if min_marginal > 1.0 => 0.0,
                SwarmLaw::Solo(_) => f64::INFINITY,
            });
        }
        (lo, hi.max(lo))
    }

    /// What this objective lets the swarm use at most: `range`, and under a target the need.
    #[must_use]
    pub fn range_for(&self, objective: Objective, min_marginal: f64) -> (f64, f64) {
        let (lo, hi) = self.range(min_marginal);
        match objective.target() {
            Some(rate) => (lo, self.need(rate).clamp(lo, hi)),
            None => (lo, hi),
        }
    }

    /// The least upload that is expected to keep every viewer at `rate`: the inverse of the law,
    /// corrected by the feedback, and at least the injection `rate - s u`, without which new
    /// pieces enter the swarm more slowly than they are to be watched.
    #[must_use]
    pub fn need(&self, rate: BytesPerSecond) -> f64 {
        let wanted = rate.get() * self.audience.leechers.get();
        let seeded = match self.peer_upload {
            Some(upload) => self.audience.seeders.get() * upload.get(),
            None if self.audience.seeders.get() > 0.0 => f64::INFINITY,
            None => 0.0,
        };
        let injection = (rate.get() - seeded).max(0.0).min(wanted);
        (self.least_for(wanted) * self.correction).max(injection)
    }

    /// The least upload for this download, never more than the download itself.
    fn least_for(&self, download: f64) -> f64 {
        let wanted = BytesPerSecond::clamped(download);
        let upload = self.present_law().upload_for(self.audience, wanted);
        upload.map_or(download, |upload| upload.get().min(download))
    }
}
