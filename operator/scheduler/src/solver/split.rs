//! Dividing each swarm's rate over the clusters that can serve it, as cheaply as possible.
//!
//! Cost counts nearness, filling a cache that lacks the content, and moving a swarm away from where it was
//! served (hysteresis). Swarms alike in all that form a group; groups are routed by
//! minimum-cost flow, and within a group clusters are filled in sequence, so few swarms are cut.

use std::collections::BTreeMap;

use super::problem::Solution;
use super::route::{Choices, Route};
use super::supply::{Seat, Supply};
use crate::model::ClusterSet;

/// What is known of where a swarm is best served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placement {
    /// Row of [`Costs::distance`]: the region most of its peers are in.
    pub region: Option<u32>,
    /// Clusters that hold the content already.
    pub cached: ClusterSet,
    /// The cluster that served it so far.
    pub previous: Option<u32>,
}

impl Placement {
    /// Nothing is known, so every cluster is as good.
    pub const ANYWHERE: Self = Self { region: None, cached: ClusterSet::ALL, previous: None };
}

/// Costs of serving a byte, in units of the caller's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    /// By region and cluster.
    pub distance: Vec<Vec<u32>>,
    /// More for a cluster that must fetch the content first.
    pub cache_fill: u32,
    /// More for a cluster other than the one that served the swarm so far.
    pub moving: u32,
}

/// What one cluster uploads to one swarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Index of the swarm.
    pub swarm: u32,
    /// Index of the cluster.
    pub cluster: u32,
    /// Upload, bytes per second; a multiple of the solution's quantum.
    pub rate: f64,
}

impl Costs {
    fn of(&self, placement: &Placement, cluster: usize) -> i64 {
        let row = placement.region.and_then(|region| self.distance.get(region as usize));
        let distance = row.and_then(|row| row.get(cluster)).copied().unwrap_or(0);
        let fill = if placement.cached.has(cluster) { 0 } else { self.cache_fill };
        let stays = placement.previous.is_none_or(|previous| previous as usize == cluster);
        i64::from(distance) + i64::from(fill) + if stays { 0 } else { i64::from(self.moving) }
    }
}

/// Splits the rates of a solution, in order of swarm and cluster. No cluster and no tenant's
/// port gets more than it has; swarms with a rate of zero have no part.
#[must_use]
pub fn split(solution: &Solution, seats: &[Seat], places: &[Placement], costs: &Costs, supply: &Supply) -> Vec<Part> {
    let quantum = solution.quantum;
    let clusters = supply.capacities().len();
    let all = ClusterSet::first(clusters);
    let room: Vec<i64> = supply.capacities().iter().map(|c| quantum.units(c.get())).collect();
    // One row of ports per tenant with a share, and a last one for everybody else.
    let rows = supply.shares().len() + 1;
    let cluster_of: Vec<usize> = (0..rows).flat_map(|_| 0..clusters).collect();
    let limit = |row: usize, k: usize| match supply.shares().get(row) {
        Some(share) => quantum.units(quantum.down(share * quantum.rate(room[k]))),
        None => i64::MAX / 4,
    };
    let port_room = (0..rows).flat_map(|row| (0..clusters).map(move |k| limit(row, k))).collect();
    let mut route = Route::new(cluster_of, port_room, room.clone());

    let mut groups: BTreeMap<(Seat, Placement), Vec<u32>> = BTreeMap::new();
    for (swarm, (seat, place)) in seats.iter().zip(places).enumerate() {
        if solution.rates[swarm] > 0.0 {
            let mask = seat.clusters.and(all);
            let previous = place.previous.filter(|&k| mask.has(k as usize));
            let place = Placement { cached: place.cached.and(mask), previous, ..*place };
            groups.entry((Seat { clusters: mask, ..*seat }, place)).or_default().push(swarm as u32);
        }
    }
    let mut parts = Vec::with_capacity(solution.rates.len());
    for (number, ((seat, place), members)) in groups.iter().enumerate() {
        let row = seat.tenant.map_or(rows - 1, |tenant| tenant.0 as usize);
        let mut choices: Choices = seat.clusters.iter().map(|k| (row * clusters + k, costs.of(place, k))).collect();
        choices.sort_by_key(|&(port, cost)| (cost, port));
        let amount = members.iter().map(|&i| quantum.units(solution.rates[i as usize])).sum();
        let _does_not_fit_by_a_few_grains = route.send(choices, amount);
        debug_assert_eq!(number + 1, route.sent.len());
    }
    for (members, sent) in groups.values().zip(&route.sent) {
        let mut sent: Vec<(usize, i64)> =
            sent.iter().filter(|s| *s.1 > 0).map(|(&port, &units)| (port % clusters, units)).collect();
        sent.reverse();
        for &swarm in members {
            let mut wanted = quantum.units(solution.rates[swarm as usize]);
            while wanted > 0 {
                let Some((cluster, left)) = sent.last_mut() else {
                    break;
                };
                let taken = wanted.min(*left);
                parts.push(Part { swarm, cluster: *cluster as u32, rate: quantum.rate(taken) });
                wanted -= taken;
                *left -= taken;
                if *left == 0 {
                    sent.pop();
                }
            }
        }
    }
    parts.sort_by_key(|part| (part.swarm, part.cluster));
    parts
}
