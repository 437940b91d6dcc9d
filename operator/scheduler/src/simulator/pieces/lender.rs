//! Borrowing: rate one swarm does not use is lent to others for the next ten seconds.

use super::scenario::Pieces;
use super::swarm::Swarm;
use crate::model::SOLO_FLOOR;
use crate::simulator::Arm;

/// A swarm that used this part of its rate could use more.
const FULL: f64 = 0.95;

/// Lends, in every arm by the same rules: first to viewers who came since the pool was shared, then to
/// swarms that use all they have, in proportion to it. A target lends to newcomers only, up
/// to its rate each, and leaves the rest unspent.
pub(super) struct Lender {
    capacity: f64,
    /// What a newcomer is lent, bytes per second.
    each: f64,
    /// Whether what is left is lent too.
    all: bool,
    /// Leechers when the pool was shared.
    counted: Vec<usize>,
    pub(super) loans: Vec<f64>,
}

impl Lender {
    pub(super) fn new(world: &Pieces, arm: Arm, swarms: usize) -> Self {
        let (each, all) = if let Arm::Target { rate } = arm { (rate, false) } else { (SOLO_FLOOR, true) };
        Self { capacity: world.capacity(), each, all, counted: vec![0; swarms], loans: vec![0.0; swarms] }
    }

    /// The pool was shared anew.
    pub(super) fn begin(&mut self, swarms: &[Swarm]) {
        self.loans.fill(0.0);
        for (counted, swarm) in self.counted.iter_mut().zip(swarms) {
            *counted = swarm.leechers;
        }
    }

    /// Lends what these rates left unused.
    pub(super) fn lend(&mut self, swarms: &[Swarm], rates: &[f64], used: &[f64]) {
        let is_full = |i: usize| swarms[i].leechers > 0 && used[i] >= FULL * rates[i];
        // A swarm that did not use its rate may use it again at once: its own part is not lent twice.
        let kept = |i: usize| match swarms[i].leechers {
            0 => 0.0,
            _ if is_full(i) => rates[i],
            _ => used[i].min(rates[i]),
        };
        let mut spare = (self.capacity - (0..swarms.len()).map(kept).sum::<f64>()).max(0.0);
        for (i, swarm) in swarms.iter().enumerate() {
            let newcomers = swarm.leechers.saturating_sub(self.counted[i]);
            let lacking = if self.all && rates[i] > 0.0 { 0 } else { newcomers };
            self.loans[i] = if rates[i] > 0.0 && !is_full(i) { 0.0 } else { (self.each * lacking as f64).min(spare) };
            spare -= self.loans[i];
        }
        if self.all {
            let takes = |i: usize| rates[i] > 0.0 && is_full(i);
            let taken: f64 = (0..swarms.len()).filter(|&i| takes(i)).map(|i| rates[i]).sum();
            for i in (0..swarms.len()).filter(|&i| takes(i)) {
                self.loans[i] = spare * rates[i] / taken;
            }
        }
    }
}
