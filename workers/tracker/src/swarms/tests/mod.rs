//! Swarms as a whole, on a clock the tests move: who is named to whom, and what becomes of reports.
#![allow(clippy::unwrap_used)]

mod measuring;
mod naming;

use std::{net::IpAddr, sync::Arc, time::Duration};

use videocloud_protocol::{
    ids::{ContentId, InfoHash},
    token::TokenKey,
    tracker::Sample,
};

use super::{
    Announce, Event, Hashes, History, Known, Millis, PeerId, Peers, Refused, SwarmSettings, Swarms, Worker,
    store::Answer,
};

pub(super) const V1: InfoHash = InfoHash::from_bytes([1; 20]);
pub(super) const V2: InfoHash = InfoHash::from_bytes([2; 20]);
pub(super) const CONTENT: ContentId = ContentId::from_bytes([3; 32]);
pub(super) const SIZE: u64 = 1_000_000_000;
/// Length of an interval in these tests.
pub(super) const INTERVAL: Millis = 100_000;

/// Swarms with one content, and the clock's hand.
pub(super) struct Stage {
    pub(super) swarms: Swarms,
    pub(super) history: History,
    worker: Worker,
    pub(super) peers: Peers,
    turned: Millis,
}

impl Stage {
    pub(super) fn new(change: impl FnOnce(&mut SwarmSettings)) -> Self {
        let interval = Duration::from_millis(INTERVAL);
        let mut settings =
            SwarmSettings { announce_interval: interval, sample_interval: interval, ..SwarmSettings::default() };
        change(&mut settings);
        let swarms = Swarms::new(settings, TokenKey::new(&[7; 16]));
        let hashes = Hashes { swarm: V1, alias: Some(V2) };
        swarms.know_hashes(&hashes, Known { content: CONTENT, size: SIZE, secret: false });
        let (worker, peers) = (Worker::default(), Peers::default());
        Self { swarms, history: History::new(0, 0), worker, peers, turned: 0 }
    }

    /// Announces at `now`; intervals turn when they are over, as the tracker sees to it.
    pub(super) fn announce(&mut self, announce: &Announce, now: Millis) -> Result<Answer, Refused> {
        self.pass(now);
        self.swarms.announce(announce, None, now, &mut self.worker, &mut self.peers)
    }

    pub(super) fn pass(&mut self, now: Millis) {
        while self.turned + INTERVAL <= now {
            self.turned += INTERVAL;
            self.history.turn(&self.swarms, &Arc::default(), self.turned);
        }
    }

    /// The sample of the interval with a number, once it is finished.
    pub(super) fn sample(&mut self, interval: u64) -> Option<Sample> {
        self.pass((interval + 1) * INTERVAL);
        let kept = self.history.after(interval - 1);
        let samples = kept.iter().find(|samples| samples.interval == interval)?;
        samples.samples.iter().find(|sample| sample.info_hash == V1).cloned()
    }

    /// Ports of the IPv4 peers named last, sorted.
    pub(super) fn named(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.peers.v4.iter().map(std::net::SocketAddrV4::port).collect();
        ports.sort_unstable();
        ports
    }
}

/// An announce of peer `n`, which lacks everything, from a network of its own.
pub(super) fn peer(n: u16) -> Announce {
    let mut id = [b'-'; 20];
    id[..2].copy_from_slice(&n.to_be_bytes());
    let [high, low] = n.to_be_bytes();
    Announce {
        info_hash: V1,
        peer_id: PeerId(id),
        key: 5,
        address: IpAddr::from([10, high, low, 1]),
        port: 1000 + n,
        uploaded: 0,
        downloaded: 0,
        left: SIZE,
        event: Event::Periodic,
        want: 50,
        want_v4: true,
        want_v6: true,
    }
}

pub(super) fn seeder(n: u16) -> Announce {
    Announce { left: 0, ..peer(n) }
}
