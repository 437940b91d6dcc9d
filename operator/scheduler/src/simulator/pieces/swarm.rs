//! One swarm: who comes and goes, and one round of ten seconds.

use rand::RngExt;

use super::flow::{CLOUD, Flow, NO_PIECE};
use super::peer::{Arrival, Neighbour, Part, Peer, PieceSet};
use super::scenario::{Pieces, Service};
use super::verdict::{SERVED, Viewer};
use crate::simulator::chance::Chance;
use crate::simulator::day::HUNGRY;

/// Seconds of a tick.
pub(super) const TICK: f64 = 1.0;
/// Ticks of a round, in which peers choke and unchoke (BEP 3: ten seconds).
pub(super) const ROUND: u32 = 10;
/// Peers the tracker names to a newcomer, and the most anybody knows.
const INTRODUCED: usize = 40;
const KNOWN: usize = 80;

/// Bytes a swarm moved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ledger {
    pub(super) cloud: f64,
    pub(super) peers: f64,
    pub(super) received: f64,
    /// Leecher seconds and seeder seconds.
    pub(super) leeching: f64,
    pub(super) seeding: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) index: u32,
    pub(super) world: Pieces,
    pub(super) full: PieceSet,
    pub(super) peers: Vec<Peer>,
    pub(super) free: Vec<u32>,
    pub(super) alive: Vec<u32>,
    pub(super) leechers: usize,
    /// Copies of each piece among the peers.
    pub(super) copies: Vec<u32>,
    /// Cloud flows that carry each piece.
    pub(super) injected: Vec<u16>,
    pub(super) flows: Vec<Flow>,
    pub(super) cloud_flows: usize,
    /// Some flow is over, or somebody finished, in this tick.
    pub(super) ending: bool,
    pub(super) chance: Chance,
    pub(super) arrivals: std::iter::Peekable<std::vec::IntoIter<Arrival>>,
    pub(super) now: f64,
    pub(super) round: u32,
    /// What the cloud may upload, bytes per second, and to viewers slower than what.
    pub(super) budget: f64,
    pub(super) served_below: f64,
    pub(super) ledger: Ledger,
    pub(super) viewers: Vec<Viewer>,
}

impl Swarm {
    pub(super) fn new(index: u32, world: Pieces, arrivals: Vec<Arrival>, chance: Chance) -> Self {
        Self {
            index,
            world,
            full: PieceSet::first(world.pieces),
            peers: Vec::new(),
            free: Vec::new(),
            alive: Vec::new(),
            leechers: 0,
            copies: vec![0; world.pieces],
            injected: vec![0; world.pieces],
            flows: Vec::new(),
            cloud_flows: 0,
            ending: false,
            chance,
            arrivals: arrivals.into_iter().peekable(),
            now: 0.0,
            round: 0,
            budget: 0.0,
            served_below: f64::INFINITY,
            ledger: Ledger::default(),
            viewers: Vec::new(),
        }
    }

    pub(super) fn seeders(&self) -> usize {
        self.alive.len() - self.leechers
    }

    /// Plays ten seconds with this much of the cloud's upload.
    pub(super) fn play_round(&mut self, budget: f64) {
        self.budget = budget;
        if self.leechers > 0 {
            self.choke();
        }
        for _ in 0..ROUND {
            self.admit();
            if self.leechers > 0 {
                self.fill();
                self.transfer();
            }
            self.ledger.leeching += self.leechers as f64 * TICK;
            self.ledger.seeding += self.seeders() as f64 * TICK;
            self.now += TICK;
        }
        self.round += 1;
        self.settle();
    }

    fn admit(&mut self) {
        while let Some(arrival) = self.arrivals.next_if(|next| next.at <= self.now) {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.peers.push(Peer::new(arrival));
                self.peers.len() as u32 - 1
            });
            let mut peer = Peer::new(arrival);
            let online = self.alive.len();
            for place in 0..online.min(INTRODUCED) {
                // The first steps of a shuffle: a sample without repetition.
                let other = self.chance.random_range(place..online);
                self.alive.swap(place, other);
                let known = &mut self.peers[self.alive[place] as usize];
                if known.neighbours.len() < KNOWN {
                    known.neighbours.push(Neighbour { slot, credit: 0.0 });
                    peer.neighbours.push(Neighbour { slot: self.alive[place], credit: 0.0 });
                }
            }
            self.peers[slot as usize] = peer;
            self.alive.push(slot);
            self.leechers += 1;
        }
    }

    /// Seeds whose time is over and leechers whose patience is over leave; called between rounds.
    fn settle(&mut self) {
        let round = f64::from(ROUND) * TICK;
        let mut leaving = Vec::new();
        for &slot in &self.alive {
            let peer = &mut self.peers[slot as usize];
            if peer.leeches() {
                if self.now <= peer.arrival.at + self.world.size() / SERVED {
                    peer.in_time = peer.bytes;
                }
                if peer.bytes - peer.before < HUNGRY * round.min(self.now - peer.arrival.at) {
                    peer.hungry += round;
                }
                peer.before = peer.bytes;
                if peer.hungry > peer.arrival.patience {
                    leaving.push(slot);
                }
            } else if peer.leaves <= self.now {
                leaving.push(slot);
            }
        }
        for slot in leaving {
            if self.peers[slot as usize].leeches() {
                self.record(slot, self.now, false);
                self.leechers -= 1;
            }
            self.depart(slot);
        }
        self.sweep();
    }

    /// The world ends: those who still download are recorded as they are.
    pub(super) fn end(&mut self) {
        for slot in self.alive.clone() {
            if self.peers[slot as usize].leeches() {
                self.record(slot, self.now, false);
            }
        }
    }

    fn record(&mut self, slot: u32, now: f64, finished: bool) {
        let peer = &self.peers[slot as usize];
        if peer.arrival.counted {
            self.viewers.push(Viewer {
                swarm: self.index,
                bytes: peer.bytes,
                in_time: peer.in_time,
                seconds: (now - peer.arrival.at).max(TICK),
                finished,
            });
        }
    }

    /// A leecher has everything: from the next tick it seeds, or it leaves.
    pub(super) fn finish(&mut self, slot: u32) {
        let peer = &mut self.peers[slot as usize];
        if self.now <= peer.arrival.at + self.world.size() / SERVED {
            peer.in_time = peer.bytes;
        }
        peer.leaves = self.now + peer.arrival.linger;
        let leaves_now = peer.arrival.linger <= 0.0;
        self.leechers -= 1;
        self.ending = true;
        self.record(slot, self.now + TICK, true);
        if leaves_now {
            self.depart(slot);
        }
    }

    /// Gone: nobody knows it any more; its flows end with the next sweep.
    fn depart(&mut self, slot: u32) {
        let peer = &mut self.peers[slot as usize];
        peer.alive = false;
        let neighbours = std::mem::take(&mut peer.neighbours);
        peer.have.for_each(|piece| self.copies[usize::from(piece)] -= 1);
        for neighbour in neighbours {
            self.peers[neighbour.slot as usize].neighbours.retain(|n| n.slot != slot);
        }
        self.alive.retain(|&other| other != slot);
    }

    /// Ends flows that are over and frees the slots of the departed.
    pub(super) fn sweep(&mut self) {
        let mut place = 0;
        while place < self.flows.len() {
            let flow = self.flows[place];
            let gone = flow.from != CLOUD && !self.peers[flow.from as usize].alive;
            if flow.over || gone || !self.peers[flow.to as usize].leeches() {
                self.flows.swap_remove(place);
                self.close(flow);
            } else {
                place += 1;
            }
        }
        for slot in 0..self.peers.len() as u32 {
            let peer = &mut self.peers[slot as usize];
            // A departed peer that is not yet in the free list still has its arrival marked.
            if !peer.alive && peer.leaves != f64::NEG_INFINITY {
                peer.leaves = f64::NEG_INFINITY;
                self.free.push(slot);
            }
        }
    }

    fn close(&mut self, flow: Flow) {
        self.let_go(flow.to, flow.piece);
        if flow.from == CLOUD {
            self.cloud_flows -= 1;
            self.peers[flow.to as usize].by_cloud = false;
            if flow.piece != NO_PIECE {
                self.injected[usize::from(flow.piece)] -= 1;
            }
        } else {
            self.peers[flow.from as usize].serving.retain(|&to| to != flow.to);
            self.pay(flow);
        }
    }

    /// One flow less works on this part.
    fn let_go(&mut self, to: u32, piece: u16) {
        let peer = &mut self.peers[to as usize];
        if let Some(part) = peer.parts.iter_mut().find(|part| part.piece == piece) {
            part.flows -= 1;
            if part.flows == 0 && part.left >= self.world.piece {
                peer.pending.remove(piece);
                peer.parts.retain(|part| part.piece != piece);
            }
        }
    }

    /// The receiver remembers who gave.
    pub(super) fn pay(&mut self, flow: Flow) {
        let known = self.peers[flow.to as usize].neighbours.iter_mut().find(|n| n.slot == flow.from);
        if let Some(neighbour) = known {
            neighbour.credit += flow.moved;
        }
    }

    /// Which piece this flow carries next: a part nobody works on, the rarest that is missing,
    /// or blocks of a part others work on (the end game).
    pub(super) fn pick(&mut self, from: u32, to: u32) -> u16 {
        let have = if from == CLOUD { self.full } else { self.peers[from as usize].have };
        let start = self.chance.random_range(0..self.world.pieces as u16);
        let peer = &mut self.peers[to as usize];
        if let Some(part) = peer.parts.iter_mut().find(|part| part.flows == 0 && have.has(part.piece)) {
            part.flows = 1;
            return part.piece;
        }
        let wanted = have.without(&peer.have).without(&peer.pending);
        let mut rarest = (u32::MAX, NO_PIECE);
        // Ties go to the first after a random piece.
        let turn = |piece: u16| u32::from((piece as u8).wrapping_sub(start as u8));
        let mut consider = |piece: u16, copies: u32| {
            let key = copies << 8 | turn(piece);
            if key < rarest.0 {
                rarest = (key, piece);
            }
        };
        let (copies, injected) = (&self.copies, &self.injected);
        if from == CLOUD {
            let known = |piece: u16| copies[usize::from(piece)] + u32::from(injected[usize::from(piece)]);
            wanted.for_each(|piece| consider(piece, known(piece)));
        } else {
            wanted.for_each(|piece| consider(piece, copies[usize::from(piece)]));
        }
        if rarest.1 != NO_PIECE {
            let piece = rarest.1;
            peer.pending.insert(piece);
            peer.parts.push(Part { piece, left: self.world.piece, flows: 1 });
            return piece;
        }
        let shared = peer.parts.iter_mut().filter(|part| have.has(part.piece));
        let share = |part: &Part| part.left / f64::from(part.flows + 1);
        match shared.max_by(|a, b| share(a).total_cmp(&share(b))) {
            Some(part) => {
                part.flows += 1;
                part.piece
            }
            None => NO_PIECE,
        }
    }

    /// Whom the cloud would serve next, if anybody waits.
    pub(super) fn cloud_order(&mut self) -> Vec<u32> {
        let now = self.now;
        let mut waiting: Vec<u32> = self
            .alive
            .iter()
            .copied()
            .filter(|&slot| {
                let peer = &self.peers[slot as usize];
                peer.leeches() && peer.mean_rate(now) < self.served_below
            })
            .collect();
        match self.world.service {
            Service::Rotation => {
                for place in (1..waiting.len()).rev() {
                    waiting.swap(place, self.chance.random_range(0..=place));
                }
            }
            Service::SlowestFirst => {
                let rate = |slot: &u32| self.peers[*slot as usize].mean_rate(now);
                waiting.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.cmp(b)));
            }
        }
        waiting
    }
}
