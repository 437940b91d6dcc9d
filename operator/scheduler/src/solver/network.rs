//! Which rates the clusters can carry together, and the set of swarms that asks too much.
//!
//! Swarms flow into the clusters of their mask, through a port per tenant and cluster where the
//! tenant has a share. The feasible loads form a polymatroid. With up to 20 clusters and no shares the
//! worst set comes from a subset-sum (zeta) transform over masks, else from a minimum cut.

use std::collections::BTreeMap;

use super::dinic::{Flow, UNBOUNDED};
use super::quantum::Quantum;
use super::supply::{Seat, Supply};
use crate::model::{ClusterSet, TenantId};

/// Above this many clusters 2^K subsets are more work than a maximum flow.
const ZETA_CLUSTERS: usize = 20;

/// The part of the pool's network that a part of the swarms may still use.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    active: ClusterSet,
    /// Remaining capacity by cluster, in multiples of the quantum.
    room: Vec<f64>,
    /// Remaining capacity by tenant and cluster, for tenants with a share.
    ports: BTreeMap<(TenantId, usize), f64>,
    /// Whether tenants have shares at all, also when every port is taken by now.
    shared: bool,
    /// The most all groups together may take.
    pub(crate) total: f64,
    quantum: Quantum,
}

/// The groups that ask for the most more than they can get, and what becomes of the network.
pub(crate) struct Violation {
    /// By group: does it ask too much?
    pub(crate) inside: Vec<bool>,
    /// What those groups have for themselves.
    pub(crate) for_inside: Network,
    /// What is left for the others once the first have taken all they can get.
    pub(crate) for_outside: Network,
}

impl Network {
    /// The whole pool.
    pub(crate) fn new(supply: &Supply, quantum: Quantum) -> Self {
        let room: Vec<f64> = supply.capacities().iter().map(|c| quantum.down(c.get())).collect();
        let mut ports = BTreeMap::new();
        for (tenant, share) in supply.shares().iter().enumerate() {
            for (cluster, room) in room.iter().enumerate() {
                ports.insert((TenantId(tenant as u32), cluster), quantum.down(share * room));
            }
        }
        let total = quantum.down(supply.total().get()).min(room.iter().sum());
        Self { active: ClusterSet::first(room.len()), room, shared: !ports.is_empty(), ports, total, quantum }
    }

    /// Finds the set of groups with the largest excess, if any set has one; `loads` by group, exact.
    pub(crate) fn worst(&self, seats: &[Seat], loads: &[f64]) -> Option<Violation> {
        if !self.shared && self.active.len() <= ZETA_CLUSTERS {
            self.worst_by_subsets(seats, loads)
        } else {
            self.worst_by_cut(seats, loads)
        }
    }

    fn worst_by_subsets(&self, seats: &[Seat], loads: &[f64]) -> Option<Violation> {
        let clusters: Vec<usize> = self.active.iter().collect();
        let subsets = 1_usize << clusters.len();
        let mut excess = vec![0.0; subsets];
        for (seat, &load) in seats.iter().zip(loads) {
            if load > 0.0 {
                excess[self.local(seat.clusters, &clusters)] += load;
            }
        }
        for bit in 0..clusters.len() {
            let half = 1 << bit;
            for pair in excess.chunks_exact_mut(2 * half) {
                let (without, with) = pair.split_at_mut(half);
                for (with, without) in with.iter_mut().zip(without) {
                    *with += *without;
                }
            }
        }
        let mut capacity = vec![0.0; subsets];
        let (mut worst, mut largest) = (0, 0.0);
        for subset in 1..subsets {
            let lowest = subset.trailing_zeros() as usize;
            capacity[subset] = capacity[subset & (subset - 1)] + self.room[clusters[lowest]];
            if excess[subset] - capacity[subset] > largest {
                (worst, largest) = (subset, excess[subset] - capacity[subset]);
            }
        }
        if worst == 0 {
            return None;
        }
        let chosen: ClusterSet =
            clusters.iter().enumerate().filter(|(bit, _)| worst >> bit & 1 == 1).map(|(_, &k)| k).collect();
        let inside = seats.iter().map(|s| s.clusters.and(self.active).without(chosen).is_empty()).collect();
        let within = Self { active: chosen, total: capacity[worst], ..self.clone() };
        Some(self.violation(inside, within, chosen))
    }

    /// The mask within the active clusters, as a dense number.
    fn local(&self, mask: ClusterSet, clusters: &[usize]) -> usize {
        clusters.iter().enumerate().fold(0, |local, (bit, &k)| local | usize::from(mask.has(k)) << bit)
    }

    fn violation(&self, inside: Vec<bool>, for_inside: Self, taken: ClusterSet) -> Violation {
        let mut for_outside = self.clone();
        for_outside.active = self.active.without(taken);
        for_outside.total = (self.total - for_inside.total).max(0.0);
        Violation { inside, for_inside, for_outside }
    }

    fn worst_by_cut(&self, seats: &[Seat], loads: &[f64]) -> Option<Violation> {
        // Nodes: source, sink, clusters, ports, groups.
        let cluster_at = |k: usize| 2 + k;
        let first_port = 2 + self.room.len();
        let ports: Vec<(TenantId, usize)> = self.ports.keys().copied().filter(|&(_, k)| self.active.has(k)).collect();
        let first_group = first_port + ports.len();
        let mut flow = Flow::new(first_group + seats.len());
        for k in self.active.iter() {
            flow.edge(cluster_at(k), 1, self.quantum.units(self.room[k]));
        }
        for (p, key) in ports.iter().enumerate() {
            flow.edge(first_port + p, cluster_at(key.1), self.quantum.units(self.ports[key]));
        }
        let mut wanted = 0_i64;
        for (g, (seat, &load)) in seats.iter().zip(loads).enumerate() {
            // A load of floors that do not fit can be above the capacity, which is at most 2^52.
            let units = self.quantum.units(load).min(1 << 54);
            wanted = i64::saturating_add(wanted, units);
            flow.edge(0, first_group + g, units);
            match seat.tenant {
                Some(tenant) if self.shared => {
                    for (p, key) in ports.iter().enumerate() {
                        if key.0 == tenant && seat.clusters.has(key.1) {
                            flow.edge(first_group + g, first_port + p, UNBOUNDED);
                        }
                    }
                }
                _ => {
                    for k in seat.clusters.and(self.active).iter() {
                        flow.edge(first_group + g, cluster_at(k), UNBOUNDED);
                    }
                }
            }
        }
        if flow.run(0, 1) >= wanted {
            return None;
        }
        let side = flow.reach(0);
        let inside: Vec<bool> = (0..seats.len()).map(|g| side[first_group + g]).collect();
        let taken: ClusterSet = self.active.iter().filter(|&k| side[cluster_at(k)]).collect();
        let mut cut: f64 = taken.iter().map(|k| self.room[k]).sum();
        let mut left = self.clone();
        for (p, &(tenant, k)) in ports.iter().enumerate() {
            if side[first_port + p] {
                let port = left.ports.remove(&(tenant, k)).unwrap_or(0.0);
                if !taken.has(k) {
                    cut += port;
                    left.room[k] = (left.room[k] - port).max(0.0);
                }
            }
        }
        let within = Self { total: cut, ..self.clone() };
        Some(left.violation(inside, within, taken))
    }
}
