//! What one swarm did in the two open intervals, and the sample that comes of it when an interval is finished. Pure.

use serde::{Deserialize, Serialize};
use videocloud_protocol::tracker::{Sample, SampleFlag};

/// One interval of one swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    downloaded: u64,
    uploaded: u64,
    left: u64,
    leech_millis: u64,
    progress_millis: u64,
    seed_millis: u64,
    bittorrent: u64,
    http: u64,
    have: u64,
    repeated: u64,
    connected_millis: u64,
    expected: u32,
    received: u32,
    limited: bool,
}

/// What an uploader reports of a swarm, spread over the interval since its last report.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    /// Bytes to BitTorrent peers.
    pub bittorrent: [u64; 2],
    /// Bytes over HTTP.
    pub http: [u64; 2],
    /// Bytes by HAVEs.
    pub have: [u64; 2],
    /// Time of leechers connected.
    pub connected_millis: [u64; 2],
}

/// What a table in force says of a swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocated {
    /// S, bytes per second.
    pub bittorrent: u64,
    /// Moved by the scheduler on purpose.
    pub dithered: bool,
}

/// What the tables in force gave a swarm throughout an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Through {
    /// S, bytes per second: the least of them.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// Moved by the scheduler on purpose, at the end.
    pub dithered: bool,
}

impl Tally {
    /// Counts reports that should have covered the end of the interval, and those that did.
    pub(super) fn reports(&mut self, expected: u32, received: u32) {
        self.expected = self.expected.saturating_add(expected);
        self.received = self.received.saturating_add(received);
    }

    /// Some of D is on credit.
    pub(super) fn repeated(&mut self, bytes: u64) {
        self.repeated = self.repeated.saturating_add(bytes);
    }

    /// Nothing happened.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// D = min(downloaded, S_bt + uploaded, 1.05 x delta of left, l d_max), bytes: what exceeds it is mirrors, waste or
    /// cheating, and earns nothing.
    #[must_use]
    pub(super) fn d(&self, max_peer_rate: u64) -> u64 {
        let lacked = u128::from(self.left) * 105 / 100;
        let moved = u128::from(self.bittorrent) + u128::from(self.uploaded);
        let rate = u128::from(self.leech_millis) * u128::from(max_peer_rate) / 1000;
        let d = u128::from(self.downloaded).min(moved).min(lacked).min(rate);
        u64::try_from(d).unwrap_or(u64::MAX)
    }

    /// The sample of an interval of `millis`, without its names and generation.
    #[must_use]
    pub(super) fn sample(&self, millis: u64, max_peer_rate: u64, allocated: Option<Through>, blank: Sample) -> Sample {
        let average =
            |time: u64| u64::try_from(u128::from(time) * 1000 / u128::from(millis.max(1))).unwrap_or(u64::MAX);
        let d = self.d(max_peer_rate);
        let mut flags = Vec::new();
        if let Some(allocated) = allocated {
            let whole = |rate: u64| u128::from(rate) * u128::from(millis) / 1000;
            let sent = u128::from(self.bittorrent);
            flags.extend((sent * 10 < whole(allocated.least) * 9).then_some(SampleFlag::DemandLimited));
            // Two hundredths: what enforcement may be off by.
            flags.extend((sent * 100 > whole(allocated.most) * 102).then_some(SampleFlag::Borrowed));
            flags.extend(allocated.dithered.then_some(SampleFlag::Dithered));
        }
        flags.extend((self.repeated > 0).then_some(SampleFlag::Repeated));
        flags.extend((self.limited || d < self.downloaded).then_some(SampleFlag::Limited));
        Sample {
            allocated: allocated.map(|allocated| allocated.least),
            bittorrent_bytes: self.bittorrent,
            http_bytes: self.http,
            downloaded_bytes: d,
            announced_bytes: self.downloaded,
            uploaded_bytes: self.uploaded,
            left_bytes: self.left,
            have_bytes: self.have,
            leechers_milli: average(self.leech_millis),
            progressing_milli: average(self.progress_millis),
            seeders_milli: average(self.seed_millis),
            connected_milli: average(self.connected_millis),
            reports_expected: self.expected,
            reports_received: self.received,
            flags,
            ..blank
        }
    }
}

/// Both open intervals of one swarm: the previous one, then the current one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tallies([Tally; 2]);

impl Tallies {
    /// The interval that is finished next.
    pub(super) const fn previous(&mut self) -> &mut Tally {
        &mut self.0[0]
    }

    /// Neither holds anything.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Tally::is_empty)
    }

    /// The current interval has ended: gives the finished one and begins the next.
    pub(super) fn turn(&mut self) -> Tally {
        let [finished, current] = self.0;
        self.0 = [current, Tally::default()];
        finished
    }

    /// Adds bytes of a peer.
    pub(super) fn bytes(&mut self, downloaded: [u64; 2], uploaded: [u64; 2], left: [u64; 2]) {
        for (tally, index) in self.0.iter_mut().zip(0..) {
            add(&mut tally.downloaded, downloaded[index]);
            add(&mut tally.uploaded, uploaded[index]);
            add(&mut tally.left, left[index]);
        }
    }

    /// Adds time of a peer in the swarm.
    pub(super) fn presence(&mut self, leech: [u64; 2], progress: [u64; 2], seed: [u64; 2]) {
        for (tally, index) in self.0.iter_mut().zip(0..) {
            add(&mut tally.leech_millis, leech[index]);
            add(&mut tally.progress_millis, progress[index]);
            add(&mut tally.seed_millis, seed[index]);
        }
    }

    /// Adds what an uploader served.
    pub(super) fn served(&mut self, served: &Served) {
        for (tally, index) in self.0.iter_mut().zip(0..) {
            add(&mut tally.bittorrent, served.bittorrent[index]);
            add(&mut tally.http, served.http[index]);
            add(&mut tally.have, served.have[index]);
            add(&mut tally.connected_millis, served.connected_millis[index]);
        }
    }

    /// A peer said more than is believed.
    pub(super) const fn limited(&mut self) {
        self.0[1].limited = true;
    }
}

const fn add(sum: &mut u64, amount: u64) {
    *sum = sum.saturating_add(amount);
}
