//! What there is to share: clusters' capacities, a cap on their sum, and tenants' shares.

use crate::model::{ClusterSet, MAX_CLUSTERS, TenantId};
use crate::units::BytesPerSecond;

/// A problem that cannot be put to the solver.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SolveError {
    /// No cluster can serve the swarm.
    #[error("failed to place swarm {swarm}: none of the pool's {clusters} clusters can serve it")]
    NoCluster {
        /// Index of the swarm.
        swarm: usize,
        /// How many clusters the pool has.
        clusters: usize,
    },
    /// The swarm belongs to a tenant the pool does not know.
    #[error("failed to place swarm {swarm}: the pool has no tenant {tenant}")]
    NoTenant {
        /// Index of the swarm.
        swarm: usize,
        /// The tenant it named.
        tenant: u32,
    },
    /// A tenant's share is not between 0 and 1.
    #[error("failed to set up tenant {tenant}: its share {share} is not between 0 and 1")]
    Share {
        /// Index of the tenant.
        tenant: usize,
        /// The share.
        share: f64,
    },
    /// The pool has no cluster, or too many.
    #[error("failed to set up the pool: it has {0} clusters, but 1 to {MAX_CLUSTERS} are possible")]
    Clusters(usize),
    /// More swarms than an index can count.
    #[error("failed to set up the pool: {0} swarms are more than 2^32")]
    TooMany(usize),
    /// One seat per demand is needed.
    #[error("failed to set up the pool: {demands} demands, but {seats} seats")]
    Seats {
        /// How many demands there are.
        demands: usize,
        /// How many seats there are.
        seats: usize,
    },
}

/// Where a swarm may be served and whose share it counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seat {
    /// The clusters that can serve it.
    pub clusters: ClusterSet,
    /// Its tenant, if it has one.
    pub tenant: Option<TenantId>,
}

impl Seat {
    /// Anywhere, nobody's.
    pub const ANY: Self = Self { clusters: ClusterSet::ALL, tenant: None };
}

/// The capacities of a pool, in bytes per second.
///
/// A tenant's share holds in every cluster: it gets at most that part of each cluster's
/// capacity. Nested so, the feasible rates stay a polymatroid and the exact decomposition applies.
#[derive(Debug, Clone, PartialEq)]
pub struct Supply {
    clusters: Vec<BytesPerSecond>,
    total: BytesPerSecond,
    shares: Vec<f64>,
}

impl Supply {
    /// One cluster of this capacity.
    #[must_use]
    pub fn pool(capacity: BytesPerSecond) -> Self {
        Self { clusters: vec![capacity], total: capacity, shares: Vec::new() }
    }

    /// Several clusters; `total` caps their sum where it is less.
    ///
    /// # Errors
    /// [`SolveError::Clusters`] for none or more than [`MAX_CLUSTERS`].
    pub fn clusters(clusters: Vec<BytesPerSecond>, total: Option<BytesPerSecond>) -> Result<Self, SolveError> {
        if clusters.is_empty() || clusters.len() > MAX_CLUSTERS {
            return Err(SolveError::Clusters(clusters.len()));
        }
        let sum = BytesPerSecond::clamped(clusters.iter().map(|c| c.get()).sum());
        let total = total.map_or(sum, |cap| if cap < sum { cap } else { sum });
        Ok(Self { clusters, total, shares: Vec::new() })
    }

    /// The same with tenants, each limited to this part (0 to 1) of every cluster.
    ///
    /// # Errors
    /// [`SolveError::Share`] naming the tenant whose share is out of range.
    pub fn with_shares(mut self, shares: Vec<f64>) -> Result<Self, SolveError> {
        if let Some(tenant) = shares.iter().position(|share| !(0.0..=1.0).contains(share)) {
            return Err(SolveError::Share { tenant, share: shares[tenant] });
        }
        self.shares = shares;
        Ok(self)
    }

    /// Capacity of each cluster.
    #[must_use]
    pub fn capacities(&self) -> &[BytesPerSecond] {
        &self.clusters
    }

    /// The most all clusters may upload together.
    #[must_use]
    pub const fn total(&self) -> BytesPerSecond {
        self.total
    }

    /// The tenants' parts of every cluster.
    #[must_use]
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }
}
