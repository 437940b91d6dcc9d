//! Minimum-cost transport from many groups into a few clusters, in whole grains.
//!
//! Successive shortest paths on the clusters' side alone: a full cluster is relieved by moving the
//! group for which a move is cheapest, kept in a heap per pair of ports, so the graph has
//! one node per port and cluster however many groups there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Where a group may go: port and cost per byte, cheapest first.
pub(super) type Choices = Vec<(usize, i64)>;

/// Cost saved or spent by a move, and the group that would move.
type Moves = BinaryHeap<Reverse<(i64, usize)>>;

/// Ports lead into clusters; both have room left, in grains.
#[derive(Debug)]
pub(super) struct Route {
    /// By port: the cluster behind it.
    pub(super) cluster_of: Vec<usize>,
    /// By port: what it still takes.
    pub(super) port_room: Vec<i64>,
    /// By cluster: what it still takes.
    pub(super) cluster_room: Vec<i64>,
    /// By port: what flows through it.
    through: Vec<i64>,
    groups: Vec<Choices>,
    /// By group and port: what it sends there.
    pub(super) sent: Vec<BTreeMap<usize, i64>>,
    /// By pair of ports: groups that could move, cheapest first; stale entries are dropped late.
    moves: BTreeMap<(usize, usize), Moves>,
}

/// The last step of a cheapest path to a node.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    /// Port into its cluster.
    Enter(usize),
    /// Cluster back out of one of its ports.
    Back(usize),
    /// A group moves from a port to another.
    Move {
        group: usize,
        from: usize,
    },
}

impl Route {
    pub(super) fn new(cluster_of: Vec<usize>, port_room: Vec<i64>, cluster_room: Vec<i64>) -> Self {
        let through = vec![0; cluster_of.len()];
        let (groups, sent, moves) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { cluster_of, port_room, cluster_room, through, groups, sent, moves }
    }

    /// Sends `amount` grains of a new group; returns what did not fit.
    pub(super) fn send(&mut self, choices: Choices, mut amount: i64) -> i64 {
        let group = self.groups.len();
        self.groups.push(choices);
        self.sent.push(BTreeMap::new());
        // With room behind the cheapest port no detour is cheaper.
        if let Some(&(port, _)) = self.groups[group].first() {
            let room = self.port_room[port].min(self.cluster_room[self.cluster_of[port]]).min(amount);
            if room > 0 {
                self.cluster_room[self.cluster_of[port]] -= room;
                self.enter(port, room);
                self.add(group, port, room);
                amount -= room;
            }
        }
        while amount > 0 {
            let pushed = self.augment(group, amount);
            if pushed == 0 {
                break;
            }
            amount -= pushed;
        }
        amount
    }

    fn enter(&mut self, port: usize, amount: i64) {
        self.port_room[port] -= amount;
        self.through[port] += amount;
    }

    fn add(&mut self, group: usize, port: usize, amount: i64) {
        let sent = self.sent[group].entry(port).or_insert(0);
        let started = *sent == 0;
        *sent += amount;
        if started && amount > 0 {
            let here = self.groups[group].iter().find(|c| c.0 == port).map_or(0, |c| c.1);
            for &(other, cost) in self.groups[group].iter().filter(|c| c.0 != port) {
                self.moves.entry((port, other)).or_default().push(Reverse((cost - here, group)));
            }
        }
    }

    /// The cheapest move between two ports, with its group.
    fn cheapest_move(&mut self, from: usize, to: usize) -> Option<(i64, usize)> {
        let heap = self.moves.get_mut(&(from, to))?;
        while let Some(&Reverse((cost, group))) = heap.peek() {
            if self.sent[group].get(&from).is_some_and(|&sent| sent > 0) {
                return Some((cost, group));
            }
            heap.pop();
        }
        None
    }

    /// Pushes along one cheapest path; 0 when no cluster with room can be reached.
    fn augment(&mut self, group: usize, amount: i64) -> i64 {
        let ports = self.cluster_of.len();
        let nodes = ports + self.cluster_room.len();
        let mut cost = vec![i64::MAX; nodes];
        let mut step = vec![Step::Start; nodes];
        for &(port, price) in &self.groups[group] {
            cost[port] = price;
        }
        let pairs: Vec<(usize, usize)> = self.moves.keys().copied().collect();
        let moves: Vec<(usize, usize, i64, usize)> = pairs
            .into_iter()
            .filter_map(|(from, to)| self.cheapest_move(from, to).map(|(c, g)| (from, to, c, g)))
            .collect();
        // Bellman-Ford: moves can save cost, but the flow so far is optimal, so no cycle does.
        for _ in 0..nodes {
            let mut changed = false;
            let mut relax = |from: usize, to: usize, price: i64, by: Step| {
                if cost[from] != i64::MAX && cost[from] + price < cost[to] {
                    cost[to] = cost[from] + price;
                    step[to] = by;
                    changed = true;
                }
            };
            for port in 0..ports {
                let cluster = ports + self.cluster_of[port];
                if self.port_room[port] > 0 {
                    relax(port, cluster, 0, Step::Enter(port));
                }
                if self.through[port] > 0 {
                    relax(cluster, port, 0, Step::Back(cluster));
                }
            }
            for &(from, to, price, group) in &moves {
                relax(from, to, price, Step::Move { group, from });
            }
            if !changed {
                break;
            }
        }
        let reachable = |k: &usize| self.cluster_room[*k] > 0 && cost[ports + *k] != i64::MAX;
        let best = (0..self.cluster_room.len()).filter(reachable).min_by_key(|&k| (cost[ports + k], k));
        let Some(end) = best else { return 0 };
        self.push(group, amount, &step, end)
    }

    /// Walks the path back from its end, first for what fits, then to send it.
    fn push(&mut self, group: usize, amount: i64, step: &[Step], end: usize) -> i64 {
        let ports = self.cluster_of.len();
        let mut path = vec![];
        let mut node = ports + end;
        let mut fits = amount.min(self.cluster_room[end]);
        loop {
            path.push((node, step[node]));
            match step[node] {
                Step::Start => break,
                Step::Enter(port) => {
                    fits = fits.min(self.port_room[port]);
                    node = port;
                }
                Step::Back(cluster) => {
                    fits = fits.min(self.through[node]);
                    node = cluster;
                }
                Step::Move { group, from } => {
                    fits = fits.min(self.sent[group].get(&from).copied().unwrap_or(0));
                    node = from;
                }
            }
            if path.len() > step.len() {
                return 0;
            }
        }
        self.cluster_room[end] -= fits;
        for (node, by) in path {
            match by {
                Step::Start => self.add(group, node, fits),
                Step::Enter(port) => self.enter(port, fits),
                Step::Back(_) => self.enter(node, -fits),
                Step::Move { group, from } => {
                    self.add(group, node, fits);
                    self.add(group, from, -fits);
                }
            }
        }
        fits
    }
}
