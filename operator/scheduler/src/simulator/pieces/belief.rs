//! What an arm knows of the swarms: what a tracker sees in an interval, and what is learned from it.
//!
//! The paper's arms follow the power law that the system's estimator fitted, Ration's without
//! seeders. The others follow the three-regime law with the peers' upload measured from `D - S`.

use super::scenario::Pieces;
use super::swarm::{Ledger, Swarm};
use crate::estimator::{Bank, Estimator, Sample, SwarmId, View};
use crate::model::{RegimeLaw, SoloLaw, Swarm as Seen, SwarmLaw};
use crate::simulator::Arm;
use crate::units::{Audience, BytesPerSecond};

/// Memory of a swarm's upload per peer from interval to interval.
const MEMORY: f64 = 0.8;
/// Intervals of one peer the population's mean counts for.
const PRIOR: f64 = 3.0;
/// How strongly the feedback of a target answers a miss, per interval, and how far it goes.
const GAIN: f64 = 0.3;
const CORRECTION: (f64, f64) = (0.5, 2.0);
/// Beyond this part of the allocation, what was lent makes a sample a borrowed one.
const LENT: f64 = 0.1;

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
    arm: Arm,
    bank: Bank,
    swarms: Vec<Belief>,
    interval: u64,
    length: f64,
    limit: f64,
    target: Option<f64>,
    upload: f64,
}

impl Beliefs {
    pub(super) fn new(world: &Pieces, arm: Arm, count: usize) -> Self {
        let target = if let Arm::Target { rate } = arm { Some(rate) } else { None };
        let view = if arm == Arm::Ration { View::WithoutSeeders } else { View::Full };
        let fresh = Belief { correction: 1.0, ..Belief::default() };
        Self {
            arm,
            bank: Bank::with_swarms(view, count as u32),
            swarms: vec![fresh; count],
            interval: 0,
            length: world.interval,
            limit: world.limit,
            target,
            upload: world.upload,
        }
    }

    /// Takes the samples of the interval that ended.
    pub(super) fn learn(&mut self, swarms: &[Swarm]) {
        let (mut all_uploaded, mut all_online) = (0.0, 0.0);
        let mut samples = Vec::with_capacity(swarms.len());
        for (place, (belief, swarm)) in self.swarms.iter_mut().zip(swarms).enumerate() {
            let (now, before) = (swarm.ledger, belief.before);
            belief.before = now;
            let (leeching, seeding) = (now.leeching - before.leeching, now.seeding - before.seeding);
            let received = now.received - before.received;
            belief.uploaded = MEMORY * belief.uploaded + now.peers - before.peers;
            belief.online = MEMORY * belief.online + leeching + seeding;
            all_uploaded += belief.uploaded;
            all_online += belief.online;
            let rate = |bytes: f64| BytesPerSecond::clamped(bytes / self.length);
            let audience = Audience::new(seeding / self.length, leeching / self.length).unwrap_or_default();
            let upload = rate(now.cloud - before.cloud);
            let mut sample = Sample::new(SwarmId(place as u32), self.interval, upload, rate(received), audience);
            sample.allocated = BytesPerSecond::clamped(belief.given);
            sample.flags.borrowed = upload.get() > (1.0 + LENT) * belief.given;
            samples.push(sample);
            if let Some(wanted) = self.target.filter(|_| leeching > 0.0) {
                let missed = (wanted * leeching / received.max(1.0)).ln().clamp(-1.0, 1.0);
                belief.correction = (belief.correction * (GAIN * missed).exp()).clamp(CORRECTION.0, CORRECTION.1);
            }
        }
        if all_online > 0.0 {
            self.upload = all_uploaded / all_online;
        }
        if self.interval > 0 {
            self.bank.update(&samples);
        }
        self.interval += 1;
    }

    pub(super) fn remember(&mut self, rates: &[f64]) {
        for (belief, &rate) in self.swarms.iter_mut().zip(rates) {
            belief.given = rate;
        }
    }

    /// The swarms as the policy is shown them.
    pub(super) fn swarms(&self, swarms: &[Swarm]) -> Vec<Seen> {
        swarms.iter().enumerate().map(|(place, swarm)| self.seen(place, swarm)).collect()
    }

    fn seen(&self, place: usize, swarm: &Swarm) -> Seen {
        let belief = &self.swarms[place];
        let prior = PRIOR * self.length;
        let upload = BytesPerSecond::clamped((belief.uploaded + prior * self.upload) / (belief.online + prior));
        let limit = BytesPerSecond::clamped(self.limit);
        let audience = Audience::new(swarm.seeders() as f64, swarm.leechers as f64).unwrap_or_default();
        let measured = RegimeLaw::new(upload, 1.0, limit).map_or(SwarmLaw::Solo(SoloLaw), SwarmLaw::Regimes);
        let estimate = self.bank.estimate(SwarmId(place as u32));
        let law = match (self.arm, estimate) {
            (Arm::Multiplier | Arm::Ration, Some(estimate)) => SwarmLaw::Power(estimate.power),
            _ => measured,
        };
        Seen {
            viewer_limit: Some(limit),
            peer_upload: Some(upload),
            correction: belief.correction,
            ..Seen::new(audience, law)
        }
    }
}
