//! A part of all swarms, by info hash: each is used by one thread at a time, and many threads seldom meet at one.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use ahash::RandomState;
use serde::{Deserialize, Serialize};
use videocloud_protocol::ids::InfoHash;

use super::{
    announce::{Peers, Scraped},
    interval::{Millis, Open},
    known::{Hashes, Known},
    owners::Roster,
    peer::Peer,
    session::Session,
    swarm::{Rules, Swarm},
    tally::{Tallies, Tally},
};

/// A torrent that is known, or that somebody announced.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) known: Option<Known>,
    pub(super) swarm: Option<Box<Swarm>>,
    has_alias: bool,
    owners: Owners,
}

/// Who owns the swarm, by the roster of `version`.
#[derive(Debug, Default)]
struct Owners {
    version: u64,
    addresses: Box<[SocketAddr]>,
}

/// What a snapshot keeps of a swarm.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    hash: [u8; 20],
    tallies: Tallies,
    members: Vec<(Peer, Session)>,
}

#[derive(Debug)]
pub(super) struct Shard {
    entries: HashMap<InfoHash, Entry, RandomState>,
    /// Second hashes of hybrid torrents, with the first.
    aliases: HashMap<InfoHash, InfoHash, RandomState>,
    pub(super) open: Open,
}

impl Shard {
    pub(super) fn new(open: Open, hasher: RandomState) -> Self {
        Self { entries: HashMap::with_hasher(hasher.clone()), aliases: HashMap::with_hasher(hasher), open }
    }

    pub(super) fn alias(&self, hash: &InfoHash) -> Option<InfoHash> {
        if self.aliases.is_empty() { None } else { self.aliases.get(hash).copied() }
    }

    pub(super) fn set_alias(&mut self, alias: InfoHash, hash: InfoHash) {
        self.aliases.insert(alias, hash);
    }

    /// The entry of a hash; an unknown one is made if `any` may come.
    pub(super) fn entry(&mut self, hash: &InfoHash, any: bool) -> Option<(&mut Entry, &Open)> {
        if any && !self.entries.contains_key(hash) {
            self.entries.insert(*hash, Entry::default());
        }
        let open = &self.open;
        self.entries.get_mut(hash).map(|entry| (entry, open))
    }

    pub(super) fn know(&mut self, hashes: &Hashes, known: Known) {
        let entry = self.entries.entry(hashes.swarm).or_default();
        // Once public, always public: the index says the widest visibility.
        let secret = known.secret && entry.known.is_none_or(|before| before.secret);
        entry.known = Some(Known { secret, ..known });
        entry.has_alias |= hashes.alias.is_some();
    }

    /// Swarms somebody is in.
    pub(super) fn swarms(&mut self) -> impl Iterator<Item = (InfoHash, &mut Swarm)> {
        self.entries.iter_mut().filter_map(|(hash, entry)| Some((*hash, &mut **entry.swarm.as_mut()?)))
    }

    pub(super) fn scrape(&self, hash: &InfoHash) -> Option<Scraped> {
        let entry = self.entries.get(hash)?;
        Some(entry.swarm.as_ref().map(|swarm| swarm.scrape()).unwrap_or_default())
    }

    /// Removes peers last seen before `before` and torrents nobody knows or needs. Returns swarms and peers that stay.
    pub(super) fn sweep(&mut self, before: u32, rules: &Rules) -> (usize, usize) {
        let (mut swarms, mut peers) = (0, 0);
        self.entries.retain(|_, entry| {
            if let Some(swarm) = &mut entry.swarm {
                swarm.expire(before, rules);
                if swarm.len() == 0 && swarm.tallies.is_empty() {
                    entry.swarm = None;
                } else {
                    swarms += 1;
                    peers += swarm.len();
                }
            }
            entry.known.is_some() || entry.swarm.is_some()
        });
        (swarms, peers)
    }

    /// Ends the current interval and finishes the one before: gives what each swarm did in it.
    pub(super) fn turn(&mut self) -> Vec<(InfoHash, Option<Known>, Tally)> {
        let end = self.open.previous().end;
        let mut finished = Vec::new();
        for (hash, entry) in &mut self.entries {
            let Some(swarm) = &mut entry.swarm else { continue };
            swarm.finish(end, &self.open);
            let tally = swarm.tallies.turn();
            if !tally.is_empty() {
                finished.push((*hash, entry.known, tally));
            }
        }
        self.open.advance();
        finished
    }

    pub(super) fn keep(&self) -> Vec<Kept> {
        let swarms = self.entries.iter().filter_map(|(hash, entry)| Some((hash, entry.swarm.as_ref()?)));
        swarms
            .map(|(hash, swarm)| Kept {
                hash: *hash.as_bytes(),
                tallies: swarm.tallies,
                members: swarm.members().map(|(peer, session)| (*peer, *session)).collect(),
            })
            .collect()
    }

    /// Puts back a swarm that is known, or any if `any` may be there.
    pub(super) fn restore(&mut self, kept: Kept, any: bool, rules: &Rules) {
        let hash = InfoHash::from_bytes(kept.hash);
        let Some((entry, _)) = self.entry(&hash, any) else { return };
        if entry.swarm.is_some() {
            return;
        }
        let mut swarm = Swarm::of(kept.tallies);
        for (peer, session) in kept.members {
            swarm.restore(peer, session, rules);
        }
        entry.swarm = Some(Box::new(swarm));
    }
}

impl Kept {
    pub(super) fn forget_tallies(&mut self) {
        self.tallies = Tallies::default();
    }

    pub(super) const fn hash(&self) -> InfoHash {
        InfoHash::from_bytes(self.hash)
    }
}

impl Entry {
    pub(super) const fn by(&self, is_alias: bool) -> u8 {
        Hashes::by(is_alias, self.has_alias)
    }

    pub(super) fn swarm(&mut self) -> &mut Swarm {
        self.swarm.get_or_insert_default()
    }

    /// Names the owners, if there are any.
    pub(super) fn name_owners(&mut self, roster: &Arc<Roster>, v4: bool, v6: bool, peers: &mut Peers) -> u32 {
        let Some(known) = self.known.filter(|_| roster.version > 0) else { return 0 };
        if self.owners.version != roster.version {
            let addresses = roster.addresses(&known.content).into_boxed_slice();
            self.owners = Owners { version: roster.version, addresses };
        }
        for address in &self.owners.addresses {
            match address {
                SocketAddr::V4(address) if v4 => peers.v4.push(*address),
                SocketAddr::V6(address) if v6 => peers.v6.push(*address),
                _ => {}
            }
        }
        u32::try_from(self.owners.addresses.len()).unwrap_or(u32::MAX)
    }
}

/// Milliseconds of the tracker's clock are positions in intervals; both only grow.
pub(super) const fn is_over(open: &Open, now: Millis) -> bool {
    now >= open.end()
}
