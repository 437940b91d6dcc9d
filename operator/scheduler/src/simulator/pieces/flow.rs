//! Bytes on their way: one tick of all flows of a swarm.

use super::swarm::{Swarm, TICK};

/// The cloud as a sender.
pub(super) const CLOUD: u32 = u32::MAX;
/// A flow that has to pick its next piece.
pub(super) const NO_PIECE: u16 = u16::MAX;

/// One unchoked connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) piece: u16,
    /// Bytes per second in this tick.
    pub(super) rate: f64,
    /// Bytes not yet credited to the sender.
    pub(super) moved: f64,
    /// Round in which it began.
    pub(super) since: u32,
    pub(super) over: bool,
}

impl Swarm {
    /// Begins a flow, if the sender has anything to offer.
    pub(super) fn open(&mut self, from: u32, to: u32) {
        let piece = self.pick(from, to);
        if piece == NO_PIECE {
            return;
        }
        if from == CLOUD {
            self.cloud_flows += 1;
            self.peers[to as usize].by_cloud = true;
            self.injected[usize::from(piece)] += 1;
        } else {
            self.peers[from as usize].serving.push(to);
        }
        self.flows.push(Flow { from, to, piece, rate: 0.0, moved: 0.0, since: self.round, over: false });
    }

    /// Shares every sender's upload among its flows, and what receivers cannot take among the rest.
    fn share(&mut self) {
        for &slot in &self.alive {
            let peer = &mut self.peers[slot as usize];
            (peer.inflow, peer.spare, peer.open) = (0.0, 0.0, 0);
        }
        let (mut cloud_spare, mut cloud_open) = (0.0, 0_u32);
        let cloud_share = self.budget / self.cloud_flows.max(1) as f64;
        let limit = self.world.limit;
        for flow in &mut self.flows {
            flow.rate = if flow.from == CLOUD {
                cloud_share
            } else {
                let sender = &self.peers[flow.from as usize];
                sender.arrival.upload / sender.serving.len() as f64
            };
            self.peers[flow.to as usize].inflow += flow.rate;
        }
        if self.alive.iter().all(|&slot| self.peers[slot as usize].inflow <= limit) {
            return;
        }
        for flow in &mut self.flows {
            let inflow = self.peers[flow.to as usize].inflow;
            let lost = flow.rate * (1.0 - limit / inflow).max(0.0);
            flow.rate -= lost;
            let is_open = u32::from(inflow < limit);
            if flow.from == CLOUD {
                cloud_spare += lost;
                cloud_open += is_open;
            } else {
                let sender = &mut self.peers[flow.from as usize];
                sender.spare += lost;
                sender.open += is_open;
            }
        }
        for flow in &mut self.flows {
            let inflow = self.peers[flow.to as usize].inflow;
            let (spare, open) = if flow.from == CLOUD {
                (cloud_spare, cloud_open)
            } else {
                let sender = &self.peers[flow.from as usize];
                (sender.spare, sender.open)
            };
            if inflow < limit && open > 0 {
                let extra = (spare / f64::from(open)).min(limit - inflow);
                flow.rate += extra;
                self.peers[flow.to as usize].inflow += extra;
            }
        }
    }

    /// Moves one tick's bytes.
    pub(super) fn transfer(&mut self) {
        self.share();
        self.ending = false;
        for place in 0..self.flows.len() {
            let mut bytes = self.flows[place].rate * TICK;
            while bytes > 0.0 {
                let Flow { from, to, piece, .. } = self.flows[place];
                if !self.peers[to as usize].leeches() || (from != CLOUD && !self.peers[from as usize].alive) {
                    self.ending = true;
                    break;
                }
                let next = if piece == NO_PIECE { self.pick(from, to) } else { piece };
                if next == NO_PIECE {
                    self.flows[place].over = true;
                    self.ending = true;
                    break;
                }
                if piece == NO_PIECE && from == CLOUD {
                    self.injected[usize::from(next)] += 1;
                }
                self.flows[place].piece = next;
                bytes -= self.deliver(place, bytes);
            }
        }
        if self.ending {
            self.sweep();
        }
    }

    /// Moves at most `bytes` of a flow's present piece and says how many it were.
    fn deliver(&mut self, place: usize, bytes: f64) -> f64 {
        let Flow { from, to, piece, .. } = self.flows[place];
        let peer = &mut self.peers[to as usize];
        let Some(part) = peer.parts.iter_mut().find(|part| part.piece == piece) else {
            // Another flow finished it in this tick.
            self.drop_piece(place);
            return 0.0;
        };
        let moved = bytes.min(part.left);
        part.left -= moved;
        let done = part.left <= 0.0;
        peer.bytes += moved;
        self.ledger.received += moved;
        if from == CLOUD {
            self.ledger.cloud += moved;
        } else {
            self.ledger.peers += moved;
        }
        self.flows[place].moved += moved;
        if done {
            peer.parts.retain(|part| part.piece != piece);
            peer.pending.remove(piece);
            peer.have.insert(piece);
            peer.held += 1;
            self.copies[usize::from(piece)] += 1;
            let complete = usize::from(peer.held) == self.world.pieces;
            self.drop_piece(place);
            if complete {
                self.finish(to);
            }
        }
        moved
    }

    fn drop_piece(&mut self, place: usize) {
        let Flow { from, piece, .. } = self.flows[place];
        if from == CLOUD {
            self.injected[usize::from(piece)] -= 1;
        }
        self.flows[place].piece = NO_PIECE;
    }
}
