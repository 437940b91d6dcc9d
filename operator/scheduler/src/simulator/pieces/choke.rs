//! Who uploads to whom: tit for tat with one optimistic slot among leechers, turns among seeds,
//! and the cloud's own slots (BEP 3; Cohen, P2PEcon 2003).

use rand::RngExt;

use super::flow::CLOUD;
use super::swarm::Swarm;

/// Upload slots of a peer, the optimistic one included.
const SLOTS: usize = 4;
/// Rounds an optimistic unchoke, a seed's choice and a cloud's choice last.
const TURN: u32 = 3;
/// Upload of one slot of the cloud, bytes per second.
const CLOUD_SLOT: f64 = 50_000.0;
/// Neighbours that are tried for an idle slot between rounds.
const TRIES: usize = 3;

impl Swarm {
    /// Every peer decides anew whom it serves; the cloud too.
    pub(super) fn choke(&mut self) {
        for place in 0..self.flows.len() {
            let flow = self.flows[place];
            self.pay(flow);
            self.flows[place].moved = 0.0;
        }
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); self.peers.len()];
        for place in 0..self.alive.len() {
            let slot = self.alive[place];
            chosen[slot as usize] = self.choice_of(slot);
        }
        for flow in self.flows.iter_mut().filter(|flow| flow.from != CLOUD) {
            // `serving` is left as it was: `close` strikes each ended flow from it.
            flow.over = !chosen[flow.from as usize].contains(&flow.to);
        }
        self.choose_cloud();
        self.sweep();
        for (slot, picks) in chosen.into_iter().enumerate() {
            for to in picks {
                if !self.peers[slot].serving.contains(&to) {
                    self.open(slot as u32, to);
                }
            }
        }
        self.fill_cloud();
    }

    fn is_interested(&self, to: u32, from: u32) -> bool {
        let receiver = &self.peers[to as usize];
        receiver.leeches() && self.peers[from as usize].have.offers(&receiver.have)
    }

    fn choice_of(&mut self, slot: u32) -> Vec<u32> {
        let peer = &self.peers[slot as usize];
        if peer.held == 0 {
            return Vec::new();
        }
        let seeds = !peer.leeches();
        let turn = self.round % TURN == slot % TURN;
        if seeds && !turn {
            return peer.serving.clone();
        }
        let mut wanting: Vec<(f64, u32)> = peer
            .neighbours
            .iter()
            .filter(|n| self.is_interested(n.slot, slot))
            .map(|n| (if seeds { 0.0 } else { n.credit }, n.slot))
            .collect();
        let optimistic = peer.optimistic.filter(|old| !turn && wanting.iter().any(|&(_, other)| other == *old));
        // Shuffled, so that equals are chosen by chance.
        for place in (1..wanting.len()).rev() {
            wanting.swap(place, self.chance.random_range(0..=place));
        }
        wanting.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut picks: Vec<u32> =
            wanting.iter().take_while(|&&(credit, _)| credit > 0.0).take(SLOTS - 1).map(|&(_, to)| to).collect();
        let mut lucky = optimistic.filter(|old| !picks.contains(old));
        if lucky.is_none() && picks.len() < wanting.len() {
            lucky = Some(wanting[self.chance.random_range(picks.len()..wanting.len())].1);
        }
        picks.extend(lucky);
        for &(_, to) in &wanting {
            if picks.len() >= SLOTS {
                break;
            }
            if !picks.contains(&to) {
                picks.push(to);
            }
        }
        let peer = &mut self.peers[slot as usize];
        peer.optimistic = lucky;
        for neighbour in &mut peer.neighbours {
            neighbour.credit *= 0.5;
        }
        picks
    }

    /// Slots that ran idle between rounds look for somebody at random.
    pub(super) fn fill(&mut self) {
        for place in 0..self.alive.len() {
            let slot = self.alive[place];
            let peer = &self.peers[slot as usize];
            if peer.held == 0 || peer.serving.len() >= SLOTS || peer.serving.len() >= peer.neighbours.len() {
                continue;
            }
            for _ in 0..TRIES {
                let peer = &self.peers[slot as usize];
                let to = peer.neighbours[self.chance.random_range(0..peer.neighbours.len())].slot;
                if !peer.serving.contains(&to) && self.is_interested(to, slot) {
                    self.open(slot, to);
                    break;
                }
            }
        }
        self.fill_cloud();
    }

    fn cloud_slots(&self) -> usize {
        if self.budget > 0.0 { (self.budget / CLOUD_SLOT).ceil() as usize } else { 0 }
    }

    /// The cloud's flows whose turn is over end when others wait.
    fn choose_cloud(&mut self) {
        let slots = self.cloud_slots();
        let order = self.cloud_order();
        let round = self.round;
        let waits = order.len() > self.cloud_flows;
        let first = &order[..slots.min(order.len())];
        let mut kept = 0;
        for flow in self.flows.iter_mut().filter(|flow| flow.from == CLOUD) {
            let stays = match self.world.service {
                super::Service::Rotation => !waits || round - flow.since < TURN,
                super::Service::SlowestFirst => first.contains(&flow.to),
            };
            flow.over = !stays || kept >= slots || !order.contains(&flow.to);
            kept += usize::from(!flow.over);
        }
    }

    fn fill_cloud(&mut self) {
        let slots = self.cloud_slots();
        if self.cloud_flows >= slots || self.cloud_flows >= self.leechers {
            return;
        }
        for to in self.cloud_order() {
            if self.cloud_flows >= slots {
                break;
            }
            if !self.peers[to as usize].by_cloud {
                self.open(CLOUD, to);
            }
        }
    }
}
