//! What is known of a pool's swarms, and how it is learned: the estimator's bank, what peers upload (measured as `D - S`), and the
//! slow feedback of the target objective. Pure; where it is kept over restarts is in [`super::models`].
//!
//! Two laws are on offer. The power law of the paper is for the paper's objective and for Ration; all else follows the three-regime
//! law with the measured upload, which served viewers best where no law was assumed (docs/scheduler-pieces.md).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use videocloud_protocol::{
    ids::ContentId,
    tracker::{IntervalSamples, Sample as Measured, SampleFlag},
};
use videocloud_scheduler::{
    estimator::{Bank, Estimator, Flags, Reports, Sample, SwarmId, TargetFeedback, View},
    model::{PowerLaw, RegimeLaw, SoloLaw, Swarm, SwarmLaw},
    units::{Audience, BytesPerSecond},
};

/// What is left of a swarm's measured upload after an interval.
const MEMORY: f64 = 0.8;
/// Intervals of one peer that the population's mean counts for.
const PRIOR: f64 = 3.0;
/// Mean upload of a peer before anything was measured, bytes per second: that of the authors' system (Huang et al., 2011).
const FIRST_UPLOAD: f64 = 72_000.0;
/// What was lent up to this part of the allocation does not spoil a sample.
const LENT: f64 = 0.1;
/// Peers connected to uploaders that the tracker has not confirmed count up to this many.
const UNCONFIRMED: f64 = 8.0;
/// Intervals without anybody after which a swarm is forgotten: a week of five minutes.
const FORGOTTEN: u64 = 2016;
/// Most swarms that are remembered: what fits into the tracker's models with room to spare.
pub(super) const MOST: usize = 150_000;

/// What happened in the newest interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Present {
    /// S, bytes per second.
    pub(super) upload: f64,
    /// D, bytes per second.
    pub(super) download: f64,
    /// Bytes per second over HTTP to viewers that are no peers.
    pub(super) http: f64,
    /// Who was there.
    pub(super) audience: Audience,
}

impl Present {
    /// What a sample of `length` seconds says.
    fn of(measured: &Measured, length: f64) -> Self {
        let rate = |bytes: u64| bytes as f64 / length;
        let peers = |milli: u64| milli as f64 / 1000.0;
        let confirmed = peers(measured.leechers_milli);
        // Peers that came and went between two announces are known to the uploaders alone.
        let leechers = confirmed.max(peers(measured.connected_milli).min(confirmed + UNCONFIRMED));
        Self {
            upload: rate(measured.bittorrent_bytes),
            download: rate(measured.downloaded_bytes),
            http: rate(measured.http_bytes),
            audience: Audience::new(peers(measured.seeders_milli), leechers).unwrap_or_default(),
        }
    }
}

/// One swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Belief {
    place: u32,
    blind: Option<u32>,
    /// Faded sums: what peers uploaded, bytes, and their time online, seconds.
    uploaded: f64,
    online: f64,
    feedback: TargetFeedback,
    /// The target it was last solved for, and the upload it was said to need; bytes per second, 0 for none.
    pub(super) target: f64,
    pub(super) need: f64,
    /// Cluster that served it last, by its place in the pool.
    pub(super) cluster: Option<u32>,
    /// When somebody was last there.
    seen: u64,
    #[serde(skip)]
    present: Present,
}

/// Whose law is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Laws {
    /// The three regimes with the measured upload.
    Regimes,
    /// The power law, seeders included.
    Power,
}

/// What became of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learnt {
    /// It was taken in.
    Taken,
    /// It was known already.
    Known,
    /// The tracker did not watch all of it.
    Partial,
}

/// All swarms of a pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Beliefs {
    pub(super) bank: Bank,
    /// Ration's own fits, while the pool is shared by it.
    pub(super) blind: Option<Bank>,
    pub(super) swarms: HashMap<ContentId, Belief>,
    pub(super) clock: Clock,
    /// Mean upload of a peer over all swarms, bytes per second; 0 while none was measured.
    pub(super) upload: f64,
    /// Length of the newest interval, seconds.
    pub(super) length: f64,
}

/// Numbers intervals without a gap over the tracker's databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    pub(super) epoch: String,
    pub(super) number: u64,
    pub(super) tick: u64,
}

impl Clock {
    /// The tick of an interval of the tracker; `None` for one that is known.
    fn advance(&mut self, epoch: &str, number: u64) -> Option<u64> {
        if self.epoch == epoch {
            let gap = number.checked_sub(self.number).filter(|gap| *gap > 0)?;
            // The first interval of all has no predecessor to be far from.
            self.tick = self.tick.saturating_add(if self.number == 0 { 1 } else { gap.min(FORGOTTEN) });
        } else {
            epoch.clone_into(&mut self.epoch);
            self.tick += 1;
        }
        self.number = number;
        Some(self.tick)
    }
}

impl Beliefs {
    /// Takes an interval in. `is_ours` says which contents the pool pays for; `ration` whether Ration's fits are wanted.
    pub(super) fn learn(
        &mut self,
        epoch: &str,
        interval: &IntervalSamples,
        ration: bool,
        is_ours: impl Fn(&ContentId) -> bool,
    ) -> Learnt {
        if interval.samples.iter().any(|sample| sample.flags.contains(&SampleFlag::Partial)) {
            return Learnt::Partial;
        }
        let length = interval.millis.max(1) as f64 / 1000.0;
        let Some(tick) = self.clock.advance(epoch, interval.interval) else {
            if interval.interval == self.clock.number {
                self.length = length;
                self.look(interval);
            }
            return Learnt::Known;
        };
        self.length = length;
        let mut samples = Vec::new();
        let mut blind = Vec::new();
        if !ration {
            self.blind = None;
            self.swarms.values_mut().for_each(|belief| belief.blind = None);
        } else if self.blind.is_none() {
            self.blind = Some(Bank::new(View::WithoutSeeders));
        }
        for measured in &interval.samples {
            let Some(content) = measured.content.filter(|content| is_ours(content)) else { continue };
            if !self.swarms.contains_key(&content) && self.swarms.len() >= MOST {
                continue;
            }
            let bank = &mut self.bank;
            let belief =
                self.swarms.entry(content).or_insert_with(|| Belief { place: bank.add().0, ..Belief::default() });
            belief.fade(tick);
            let sample = belief.take(measured, tick, self.length);
            if let Some(bank) = &mut self.blind {
                let place = *belief.blind.get_or_insert_with(|| bank.add().0);
                blind.push(Sample { swarm: SwarmId(place), ..sample });
            }
            samples.push(sample);
        }
        self.bank.update(&samples);
        if let Some(bank) = &mut self.blind {
            bank.update(&blind);
        }
        self.forget(|content, belief| is_ours(content) && tick - belief.seen <= FORGOTTEN);
        let sums = self.swarms.values().fold((0.0, 0.0), |sum, b| (sum.0 + b.uploaded, sum.1 + b.online));
        if sums.1 > 0.0 {
            self.upload = sums.0 / sums.1;
        }
        Learnt::Taken
    }

    /// Sees who is there in an interval that was learned from before: after a restart.
    fn look(&mut self, interval: &IntervalSamples) {
        for measured in &interval.samples {
            let belief = measured.content.and_then(|content| self.swarms.get_mut(&content));
            if let Some(belief) = belief.filter(|belief| belief.seen == self.clock.tick) {
                belief.present = Present::of(measured, self.length);
            }
        }
    }

    /// Keeps those swarms only.
    fn forget(&mut self, keep: impl Fn(&ContentId, &Belief) -> bool) {
        let (bank, blind) = (&mut self.bank, &mut self.blind);
        self.swarms.retain(|content, belief| {
            let kept = keep(content, belief);
            if !kept {
                bank.remove(SwarmId(belief.place));
                if let (Some(bank), Some(place)) = (blind.as_mut(), belief.blind) {
                    bank.remove(SwarmId(place));
                }
            }
            kept
        });
    }

    /// What happened to a content in the newest interval.
    pub(super) fn present(&self, content: &ContentId) -> Present {
        let now = self.swarms.get(content).filter(|belief| belief.seen == self.clock.tick);
        now.map(|belief| belief.present).unwrap_or_default()
    }

    /// The swarm of a content as policies see it, meant to be kept at `target` bytes per second each.
    pub(super) fn swarm(&self, content: &ContentId, laws: Laws, target: f64) -> Swarm {
        let audience = self.present(content).audience;
        let belief = self.swarms.get(content);
        let estimate = belief.and_then(|belief| self.bank.estimate(SwarmId(belief.place)));
        let population = if self.upload > 0.0 { self.upload } else { FIRST_UPLOAD };
        let prior = PRIOR * self.length.max(1.0);
        let (uploaded, online) = belief.map_or((0.0, 0.0), |belief| (belief.uploaded, belief.online));
        let peer = BytesPerSecond::clamped((uploaded + prior * population) / (online + prior));
        // A limit that was learned too low would keep the proof away: nobody is believed to want less than twice the target.
        let limit = estimate.and_then(|estimate| estimate.viewer_limit);
        let limit = limit.map(|limit| BytesPerSecond::clamped(limit.get().max(2.0 * target)));
        let law = match (laws, estimate) {
            (Laws::Power, Some(estimate)) => SwarmLaw::Power(estimate.power),
            _ => RegimeLaw::new(peer, 1.0, limit.unwrap_or(BytesPerSecond::MAX))
                .map_or(SwarmLaw::Solo(SoloLaw), SwarmLaw::Regimes),
        };
        Swarm {
            // The regimes know the limit themselves.
            viewer_limit: limit.filter(|_| laws == Laws::Power),
            peer_upload: Some(peer),
            correction: belief.map_or(1.0, |belief| belief.feedback.correction()),
            ..Swarm::new(audience, law)
        }
    }

    /// Whether what was read back fits together: places are the bank's own, each one's alone, and numbers are numbers.
    pub(super) fn is_sound(&self) -> bool {
        let (mut places, mut blind) = (HashSet::new(), HashSet::new());
        let is_sound = |belief: &Belief| {
            let numbers = [belief.uploaded, belief.online, belief.target, belief.need];
            let has_blind = |place: u32| self.blind.as_ref().is_some_and(|bank| bank.knows(SwarmId(place)));
            self.bank.knows(SwarmId(belief.place))
                && places.insert(belief.place)
                && belief.blind.is_none_or(|place| has_blind(place) && blind.insert(place))
                && numbers.iter().all(|number| (0.0..=1e18).contains(number))
                && belief.feedback.is_sound()
                && belief.seen <= self.clock.tick
        };
        let tick = self.clock.tick <= u64::from(u32::MAX);
        tick && self.swarms.len() <= MOST && self.swarms.values().all(is_sound) && places.len() == self.bank.len()
    }

    /// Ration's own fit of a content.
    pub(super) fn ration(&self, content: &ContentId) -> Option<PowerLaw> {
        let place = self.swarms.get(content)?.blind?;
        self.blind.as_ref()?.estimate(SwarmId(place)).map(|estimate| estimate.power)
    }
}

impl Belief {
    /// Lets time pass until `tick`.
    fn fade(&mut self, tick: u64) {
        let gap = i32::try_from(tick.saturating_sub(self.seen)).unwrap_or(i32::MAX);
        let left = if self.seen == 0 { 1.0 } else { MEMORY.powi(gap) };
        (self.uploaded, self.online) = (self.uploaded * left, self.online * left);
        self.seen = tick;
    }

    /// Takes a sample in, and gives it as the estimator reads it.
    fn take(&mut self, measured: &Measured, tick: u64, length: f64) -> Sample {
        self.present = Present::of(measured, length);
        let Present { upload, download, audience, .. } = self.present;
        self.uploaded += (download - upload).max(0.0) * length;
        self.online += (audience.leechers.get() + audience.seeders.get()) * length;
        // Without a table nothing was allocated: what was sent is what there was.
        let allocated = measured.allocated.filter(|rate| *rate > 0).map_or(upload, |rate| rate as f64);
        let has = |flag| measured.flags.contains(&flag);
        let flags = Flags {
            demand_limited: has(SampleFlag::DemandLimited),
            borrowed: has(SampleFlag::Borrowed) && upload > (1.0 + LENT) * allocated,
            dithered: has(SampleFlag::Dithered),
        };
        let sample = Sample {
            swarm: SwarmId(self.place),
            interval: tick,
            generation: measured.generation,
            allocated: BytesPerSecond::clamped(allocated),
            upload: BytesPerSecond::clamped(upload),
            download: BytesPerSecond::clamped(download),
            audience,
            reports: Reports { expected: measured.reports_expected, received: measured.reports_received },
            flags,
        };
        self.feedback.update(&sample, BytesPerSecond::clamped(self.target), BytesPerSecond::clamped(self.need));
        sample
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use videocloud_protocol::ids::InfoHash;
    use videocloud_scheduler::model::Law;

    use super::*;

    pub(in crate::controllers::pool) fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    /// Ten seconds of a swarm of 10 leechers and 2 seeders.
    pub(in crate::controllers::pool) fn measured(content: u8, upload: u64, download: u64) -> Measured {
        Measured {
            content: Some(id(content)),
            info_hash: InfoHash::from_bytes([content; 20]),
            allocated: Some(upload),
            bittorrent_bytes: 10 * upload,
            http_bytes: 0,
            downloaded_bytes: 10 * download,
            announced_bytes: 10 * download,
            uploaded_bytes: 10 * (download - upload),
            left_bytes: 10 * download,
            have_bytes: 0,
            leechers_milli: 10_000,
            progressing_milli: 10_000,
            seeders_milli: 2000,
            connected_milli: 0,
            reports_expected: 12,
            reports_received: 12,
            generation: 1,
            flags: Vec::new(),
        }
    }

    pub(in crate::controllers::pool) fn interval(interval: u64, samples: Vec<Measured>) -> IntervalSamples {
        IntervalSamples { interval, began: 0, millis: 10_000, samples }
    }

    #[test]
    fn the_peers_upload_is_learned_from_what_the_cloud_did_not_send() {
        let mut beliefs = Beliefs::default();
        for number in 1..30 {
            // Twelve peers upload 50 kB/s each.
            let samples = interval(number, vec![measured(1, 100_000, 700_000), measured(2, 500_000, 500_000)]);
            assert_eq!(beliefs.learn("a", &samples, false, |content| *content == id(1)), Learnt::Taken);
        }
        assert!((beliefs.upload / 50_000.0 - 1.0).abs() < 1e-9, "{}", beliefs.upload);
        let swarm = beliefs.swarm(&id(1), Laws::Regimes, 100_000.0);
        assert!((swarm.peer_upload.unwrap().get() / 50_000.0 - 1.0).abs() < 0.01);
        assert_eq!(beliefs.swarms.len(), 1, "only the pool's own");
        let download = swarm.law.download(swarm.audience, BytesPerSecond::clamped(100_000.0)).get();
        assert!((download / 700_000.0 - 1.0).abs() < 0.1, "{download}");
    }

    #[test]
    fn intervals_are_taken_once_and_partial_ones_never() {
        let mut beliefs = Beliefs::default();
        let mut learn = |epoch: &str, number: u64, flags: Vec<SampleFlag>| {
            let sample = Measured { flags, ..measured(1, 5, 9) };
            (beliefs.learn(epoch, &interval(number, vec![sample]), false, |_| true), beliefs.clock.tick)
        };
        assert_eq!(learn("a", 5, vec![SampleFlag::Partial]), (Learnt::Partial, 0));
        assert_eq!(learn("a", 6, Vec::new()), (Learnt::Taken, 1));
        assert_eq!(learn("a", 6, Vec::new()), (Learnt::Known, 1));
        assert_eq!(learn("a", 8, Vec::new()), (Learnt::Taken, 3));
        // Another database counts anew, and time goes on.
        assert_eq!(learn("b", 1, Vec::new()), (Learnt::Taken, 4));
    }

    #[test]
    fn feedback_follows_misses_but_not_shortage() {
        let mut belief = Belief { target: 100_000.0, need: 200_000.0, ..Belief::default() };
        belief.take(&measured(1, 200_000, 500_000), 1, 10.0);
        let raised = belief.feedback.correction();
        assert!(raised > 1.05, "viewers got half of it: {raised}");
        belief.take(&measured(1, 100_000, 500_000), 2, 10.0);
        assert!((belief.feedback.correction() - raised).abs() < 1e-12, "there was no more to give");
        for _ in 0..50 {
            belief.take(&measured(1, 200_000, 9_000_000), 3, 10.0);
        }
        assert!(belief.feedback.is_sound() && belief.feedback.correction() < 0.5, "{:?}", belief.feedback);
    }

    #[test]
    fn swarms_that_are_gone_are_forgotten() {
        let mut beliefs = Beliefs::default();
        beliefs.learn("a", &interval(1, vec![measured(1, 5, 9)]), true, |_| true);
        assert_eq!((beliefs.bank.len(), beliefs.blind.as_ref().map(Bank::len)), (1, Some(1)));
        assert!(beliefs.present(&id(1)).upload > 0.0 && beliefs.ration(&id(1)).is_some());
        beliefs.learn("a", &interval(2, vec![]), true, |_| true);
        assert_eq!(beliefs.present(&id(1)), Present::default(), "nobody was there");
        beliefs.learn("a", &interval(3 + FORGOTTEN, vec![]), false, |_| true);
        assert!(beliefs.swarms.is_empty() && beliefs.bank.is_empty() && beliefs.blind.is_none());
    }
}
