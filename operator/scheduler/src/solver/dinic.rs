//! Maximum flow by Dinic's algorithm on whole numbers, and the minimum cut it proves.

use std::collections::VecDeque;

/// A capacity no flow reaches.
pub(crate) const UNBOUNDED: i64 = i64::MAX / 4;

#[derive(Debug, Clone, Copy)]
struct Edge {
    to: u32,
    room: i64,
}

/// A directed graph with capacities; edges come in pairs, each the other's reverse.
#[derive(Debug)]
pub(crate) struct Flow {
    edges: Vec<Edge>,
    from: Vec<Vec<u32>>,
    level: Vec<u32>,
    next: Vec<usize>,
}

impl Flow {
    /// A graph of so many nodes without edges.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { edges: Vec::new(), from: vec![Vec::new(); nodes], level: Vec::new(), next: Vec::new() }
    }

    /// Adds an edge with this capacity.
    pub(crate) fn edge(&mut self, from: usize, to: usize, capacity: i64) {
        for (at, to, room) in [(from, to, capacity), (to, from, 0)] {
            self.from[at].push(self.edges.len() as u32);
            self.edges.push(Edge { to: to as u32, room });
        }
    }

    /// Pushes as much as fits from `source` to `sink`.
    pub(crate) fn run(&mut self, source: usize, sink: usize) -> i64 {
        let mut flow = 0;
        while self.reach(source)[sink] {
            self.next = vec![0; self.from.len()];
            loop {
                let pushed = self.push(source, sink);
                if pushed == 0 {
                    break;
                }
                flow += pushed;
            }
        }
        flow
    }

    /// The nodes the source still reaches: after [`Self::run`], the source's side of a minimum cut.
    pub(crate) fn reach(&mut self, source: usize) -> Vec<bool> {
        self.level = vec![u32::MAX; self.from.len()];
        self.level[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for &edge in &self.from[node] {
                let Edge { to, room } = self.edges[edge as usize];
                if room > 0 && self.level[to as usize] == u32::MAX {
                    self.level[to as usize] = self.level[node] + 1;
                    queue.push_back(to as usize);
                }
            }
        }
        self.level.iter().map(|&level| level != u32::MAX).collect()
    }

    /// One path along rising levels, walked without recursion.
    fn push(&mut self, source: usize, sink: usize) -> i64 {
        let mut path: Vec<u32> = Vec::new();
        let mut node = source;
        while node != sink {
            if let Some(&edge) = self.from[node].get(self.next[node]) {
                let Edge { to, room } = self.edges[edge as usize];
                if room > 0 && self.level[to as usize] == self.level[node] + 1 {
                    path.push(edge);
                    node = to as usize;
                } else {
                    self.next[node] += 1;
                }
            } else {
                let Some(back) = path.pop() else { return 0 };
                node = self.edges[(back ^ 1) as usize].to as usize;
                self.next[node] += 1;
            }
        }
        let pushed = path.iter().map(|&e| self.edges[e as usize].room).min().unwrap_or(0);
        for edge in path {
            self.edges[edge as usize].room -= pushed;
            self.edges[(edge ^ 1) as usize].room += pushed;
        }
        pushed
    }
}
