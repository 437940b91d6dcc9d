//! What an arm knows of the swarms: what a tracker sees in an interval, and what follows from it.

use super::scenario::Pieces;
use super::swarm::{Ledger, Swarm};
use crate::model::{RegimeLaw, Swarm as Seen, SwarmLaw};
use crate::simulator::Arm;
use crate::units::{Audience, BytesPerSecond};

/// Memory of a swarm's upload per peer from interval to interval.
const MEMORY: f64 = 0.8;
/// Peer-intervals the population's mean counts for.
const PRIOR: f64 = 3.0;
/// How strongly the feedback of a target answers a miss, per interval, and how far it goes.
const GAIN: f64 = 0.3;
const CORRECTION: (f64, f64) = (0.5, 2.0);

/// What is known of one swarm.
#[derive(Debug, Clone, Copy, Default)]
struct Belief {
    /// The ledger when the pool was last shared.
    before: Ledger,
    /// Faded sums of peers' upload (bytes) and of their time online (seconds).
    uploaded: f64,
    online: f64,
    correction: f64,
    given: f64,
}

/// What an arm knows of all swarms.
#[derive(Debug, Clone)]
pub(super) struct Beliefs {
    swarms: Vec<Belief>,
    limit: f64,
    target: Option<f64>,
    upload: f64,
}

impl Beliefs {
    pub(super) fn new(world: &Pieces, arm: Arm, count: usize) -> Self {
        let target = if let Arm::Target { rate } = arm { Some(rate) } else { None };
        let fresh = Belief { correction: 1.0, ..Belief::default() };
        Self { swarms: vec![fresh; count], limit: world.limit, target, upload: world.upload }
    }

    /// Takes the samples of the interval that ended.
    pub(super) fn learn(&mut self, swarms: &[Swarm]) {
        let (mut all_uploaded, mut all_online) = (0.0, 0.0);
        for (belief, swarm) in self.swarms.iter_mut().zip(swarms) {
            let (now, before) = (swarm.ledger, belief.before);
            belief.before = now;
            let leeching = now.leeching - before.leeching;
            let received = now.received - before.received;
            belief.uploaded = MEMORY * belief.uploaded + now.peers - before.peers;
            belief.online = MEMORY * belief.online + leeching + now.seeding - before.seeding;
            all_uploaded += belief.uploaded;
            all_online += belief.online;
            if let Some(rate) = self.target.filter(|_| leeching > 0.0) {
                let missed = (rate * leeching / received.max(1.0)).ln().clamp(-1.0, 1.0);
                belief.correction = (belief.correction * (GAIN * missed).exp()).clamp(CORRECTION.0, CORRECTION.1);
            }
        }
        if all_online > 0.0 {
            self.upload = all_uploaded / all_online;
        }
    }

    pub(super) fn remember(&mut self, rates: &[f64]) {
        for (belief, &rate) in self.swarms.iter_mut().zip(rates) {
            belief.given = rate;
        }
    }

    /// The swarms as the policy is shown them.
    pub(super) fn swarms(&self, swarms: &[Swarm]) -> Vec<Seen> {
        self.swarms.iter().zip(swarms).map(|(belief, swarm)| self.seen(belief, swarm)).collect()
    }

    fn seen(&self, belief: &Belief, swarm: &Swarm) -> Seen {
        let prior = PRIOR * swarm.world.interval;
        let upload = (belief.uploaded + prior * self.upload) / (belief.online + prior);
        let upload = BytesPerSecond::clamped(upload);
        let limit = BytesPerSecond::clamped(self.limit);
        let audience = Audience::new(swarm.seeders() as f64, swarm.leechers as f64).unwrap_or_default();
        let law = match RegimeLaw::new(upload, 1.0, limit) {
            Ok(law) => SwarmLaw::Regimes(law),
            Err(_) => SwarmLaw::Solo(crate::model::SoloLaw),
        };
        Seen {
            viewer_limit: Some(limit),
            peer_upload: Some(upload),
            correction: belief.correction,
            ..Seen::new(audience, law)
        }
    }
}
