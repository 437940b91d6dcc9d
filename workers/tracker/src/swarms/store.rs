//! All swarms of a tracker, in shards. The way of an announce takes one shard's lock, which is never held over a system call
//! or an await; everything slow (SQL, samples, expiry) happens beside it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ahash::RandomState;
use videocloud_protocol::{
    content::ContentManifest,
    ids::{ContentId, InfoHash},
    token::TokenKey,
};

use super::{
    announce::{Announce, Found, Peers, Refused, Scraped},
    interval::{Millis, Open},
    known::{Hashes, Known},
    limits::Limits,
    load::Load,
    owners::Roster,
    select::Scratch,
    shard::Shard,
    swarm::{Circumstances, Rules},
    tally::Served,
};

/// Shards: many more than threads.
const SHARDS: usize = 64;

/// How the swarms are kept.
#[derive(Debug, Clone)]
pub struct SwarmSettings {
    /// Take announces for any torrent.
    pub open: bool,
    /// Time between announces of a peer while the load allows.
    pub announce_interval: Duration,
    /// Length of an interval of samples.
    pub sample_interval: Duration,
    /// Most bytes per second one peer is believed to move.
    pub max_peer_rate: u64,
    /// Most peers of one /24 or /48 in a swarm.
    pub max_per_network: u32,
    /// Announces per second above which peers are told to come less often; 0 for never.
    pub comfortable_load: u32,
    /// Announces per 10 s that one address may make; 0 for any number. A network (/24, /48) may make 16 times as many.
    pub announces_per_address: u32,
}

impl Default for SwarmSettings {
    fn default() -> Self {
        Self {
            open: false,
            announce_interval: Duration::from_secs(300),
            sample_interval: Duration::from_secs(300),
            max_peer_rate: 125_000_000,
            max_per_network: 64,
            comfortable_load: 50_000,
            announces_per_address: 500,
        }
    }
}

/// What one thread uses again and again.
#[derive(Debug, Default)]
pub struct Worker {
    scratch: Scratch,
    roster: Arc<Roster>,
    roster_version: u64,
}

/// An answer to an announce, beside its peers.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Numbers of the swarm.
    pub found: Found,
    /// Seconds until the next announce.
    pub interval: u32,
    /// Seconds a peer waits at least, whatever happens.
    pub min_interval: u32,
}

/// All swarms.
#[derive(Debug)]
pub struct Swarms {
    shards: Box<[Mutex<Shard>]>,
    by_content: RwLock<HashMap<ContentId, InfoHash>>,
    pub(super) rules: Rules,
    pub(super) settings: SwarmSettings,
    /// The tracker's clock at `began`, which a snapshot carried over.
    base: AtomicU64,
    began: Instant,
    secrets: Option<TokenKey>,
    roster: RwLock<Arc<Roster>>,
    roster_version: AtomicU64,
    /// Announces by address.
    pub limits: Limits,
    /// Announces in time.
    pub load: Load,
}

impl Swarms {
    /// No swarms. `secrets` makes the secrets of namespaces' torrents; without it there are none.
    #[must_use]
    pub fn new(settings: SwarmSettings, secrets: Option<TokenKey>) -> Self {
        let rules = Rules {
            max_peer_rate: settings.max_peer_rate,
            max_per_network: settings.max_per_network.max(1),
            max_peers: 1 << 24,
            hasher: RandomState::new(),
        };
        let open = Open::new(millis(settings.sample_interval));
        let shard = || Mutex::new(Shard::new(open, rules.hasher.clone()));
        let every = settings.announce_interval.min(settings.sample_interval);
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            by_content: RwLock::default(),
            base: AtomicU64::new(0),
            began: Instant::now(),
            secrets,
            roster: RwLock::default(),
            roster_version: AtomicU64::new(0),
            limits: Limits::new(settings.announces_per_address),
            load: Load::new(every, settings.comfortable_load),
            rules,
            settings,
        }
    }

    /// Milliseconds of the tracker's clock: monotonic, and it goes on over restarts.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.base.load(Ordering::Relaxed) + millis(self.began.elapsed())
    }

    pub(super) fn set_base(&self, base: Millis) {
        self.base.store(base, Ordering::Relaxed);
    }

    /// Takes an announce at `now` and fills `peers`. `secret` is what its URL carried.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed then.
    pub fn announce(
        &self,
        announce: &Announce,
        secret: Option<&str>,
        now: Millis,
        worker: &mut Worker,
        peers: &mut Peers,
    ) -> Result<Answer, Refused> {
        peers.clear();
        self.refresh(worker);
        let mut hash = announce.info_hash;
        let mut is_alias = false;
        let mut shard = self.shard(&hash);
        if let Some(first) = shard.alias(&hash) {
            drop(shard);
            (hash, is_alias) = (first, true);
            shard = self.shard(&hash);
        }
        let (entry, open) = shard.entry(&hash, self.settings.open).ok_or(Refused::Unknown)?;
        if let (Some(known), Some(key)) = (entry.known, &self.secrets)
            && known.secret
            && !secret.is_some_and(|secret| key.verify_announce(&hash, secret))
        {
            return Err(Refused::BadSecret);
        }
        let mut owners = 0;
        if announce.want > 0 && announce.left > 0 && !worker.roster.is_empty() {
            owners = entry.name_owners(&worker.roster, announce.want_v4, announce.want_v6, peers);
        }
        let size = entry.known.map(|known| known.size);
        let with = Circumstances { now, open, rules: &self.rules, size, by: entry.by(is_alias) };
        let mut found = entry.swarm().announce(announce, with, &mut worker.scratch, peers)?;
        drop(shard);
        found.seeders = found.seeders.saturating_add(owners);
        let interval = self.load.interval();
        Ok(Answer { found, interval, min_interval: (interval / 2).max(1) })
    }

    /// Numbers of a swarm; `None` when the torrent is not served, or needs its secret.
    #[must_use]
    pub fn scrape(&self, hash: &InfoHash) -> Option<Scraped> {
        let shard = self.shard(hash);
        let alias = shard.alias(hash);
        match alias {
            None => shard.scrape(hash),
            Some(first) => {
                drop(shard);
                self.shard(&first).scrape(&first)
            }
        }
    }

    /// Serves a content's torrent from now on.
    pub fn know(&self, manifest: &ContentManifest) {
        if let Some(hashes) = Hashes::of(manifest) {
            self.know_hashes(&hashes, Known::of(manifest));
        }
    }

    /// Serves a torrent from now on.
    pub fn know_hashes(&self, hashes: &Hashes, known: Known) {
        self.shard(&hashes.swarm).know(hashes, known);
        if let Some(alias) = hashes.alias {
            self.shard(&alias).set_alias(alias, hashes.swarm);
        }
        self.by_content.write().unwrap_or_else(PoisonError::into_inner).insert(known.content, hashes.swarm);
    }

    /// The swarm's name of a content that has a torrent.
    #[must_use]
    pub fn hash_of(&self, content: &ContentId) -> Option<InfoHash> {
        self.by_content.read().unwrap_or_else(PoisonError::into_inner).get(content).copied()
    }

    /// The secret in announce URLs of a content; `None` when it needs none.
    #[must_use]
    pub fn secret_of(&self, content: &ContentId) -> Option<String> {
        let hash = self.hash_of(content)?;
        let secret = self.shard(&hash).entry(&hash, false)?.0.known?.secret;
        self.secrets.as_ref().filter(|_| secret).map(|key| key.announce_secret(&hash))
    }

    /// Takes what an uploader served of a content over `span` of the tracker's clock.
    pub fn served(&self, served: &super::ServedBytes, span: std::ops::Range<Millis>) {
        let Some(hash) = self.hash_of(&served.content) else { return };
        let mut shard = self.shard(&hash);
        let Some((entry, open)) = shard.entry(&hash, false) else { return };
        let time = span.end.saturating_sub(span.start);
        let divide = |amount| open.divide(amount, span.clone());
        let served = Served {
            bittorrent: divide(served.bittorrent),
            http: divide(served.http),
            have: divide(served.have),
            connected_millis: divide(time.saturating_mul(u64::from(served.leechers))),
        };
        entry.swarm().tallies.served(&served);
    }

    /// Names these owners from now on.
    pub fn set_roster(&self, roster: Roster) {
        let version = roster.version;
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
        self.roster_version.store(version, Ordering::Release);
    }

    /// The owners in force.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes peers that have not announced for two intervals and a half. Returns swarms and peers that stay.
    pub fn sweep(&self, now: Millis) -> (usize, usize) {
        let patience = (u64::from(self.load.interval()) * 5 / 2).max(15);
        let before = u32::try_from((now / 1000).saturating_sub(patience)).unwrap_or(u32::MAX);
        let sweep = |shard: &Mutex<Shard>| lock(shard).sweep(before, &self.rules);
        self.shards.iter().map(sweep).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock)
    }

    pub(super) const fn shard_count(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn shard_at(&self, at: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[at])
    }

    pub(super) fn shard(&self, hash: &InfoHash) -> MutexGuard<'_, Shard> {
        // Info hashes are uniform unless somebody makes them otherwise, and then only shards fill unevenly.
        let [a, b, ..] = *hash.as_bytes();
        lock(&self.shards[usize::from(a ^ b) % SHARDS])
    }

    /// One load of an atomic per announce, and a lock only when uploaders came or went.
    fn refresh(&self, worker: &mut Worker) {
        let version = self.roster_version.load(Ordering::Acquire);
        if version != worker.roster_version {
            (worker.roster, worker.roster_version) = (self.roster(), version);
        }
    }
}

/// A shard is whole between any two statements that could panic, so a panic elsewhere does not spoil it.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
