//! One swarm: its peers, their sessions, and what it did lately.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use ahash::RandomState;
use hashbrown::HashTable;

use super::{
    announce::{Announce, Event, Found, PeerId, Peers, Refused, Scraped},
    interval::{Millis, Open},
    peer::{Peer, network},
    select::{Scratch, Wish, select},
    session::{Belief, Session},
    tally::Tallies,
};

/// What all swarms of a tracker go by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Bounds the belief in reports, bytes per second.
    pub(super) max_peer_rate: u64,
    /// Most peers of one /24 or /48 that are kept and counted, per swarm.
    pub(super) max_per_network: u32,
    /// Most peers of one swarm.
    pub(super) max_peers: usize,
    /// Hashes peer ids, keyed at start.
    pub(super) hasher: RandomState,
}

/// A swarm somebody is in, or was in lately.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    peers: Vec<Peer>,
    sessions: Vec<Session>,
    index: HashTable<u32>,
    /// Peers by network; kept only while the swarm is larger than what one network may have.
    networks: HashMap<u64, u32>,
    seeders: u32,
    completed: u32,
    pub(super) tallies: Tallies,
}

/// What one announce asks of a swarm beside its own words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) now: Millis,
    pub(super) open: &'a Open,
    pub(super) rules: &'a Rules,
    pub(super) size: Option<u64>,
    /// Which of the torrent's hashes was used.
    pub(super) by: u8,
}

impl Swarm {
    /// A swarm of which only this is known.
    pub(super) fn of(tallies: Tallies) -> Self {
        Self { tallies, ..Self::default() }
    }

    /// Takes an announce and finds peers for who made it.
    pub(super) fn announce(
        &mut self,
        announce: &Announce,
        with: Circumstances<'_>,
        scratch: &mut Scratch,
        peers: &mut Peers,
    ) -> Result<Found, Refused> {
        let hash = with.rules.hasher.hash_one(announce.peer_id.0);
        let at = self.find(hash, announce);
        let hidden = at.is_some_and(|at| self.peers[at].is_hidden());
        let belief = Belief { max_peer_rate: with.rules.max_peer_rate, size: with.size, hidden };
        if let Some(at) = at {
            self.again(at, announce, with, belief)?;
        }
        if announce.event == Event::Stopped {
            if let Some(at) = at {
                self.remove(at, with.rules);
            }
            return Ok(self.found());
        }
        let own = at.or_else(|| self.join(hash, announce, with));
        if announce.event == Event::Completed && own.is_some() {
            self.completed = self.completed.saturating_add(1);
        }
        let wish = Wish {
            own: own.unwrap_or(usize::MAX),
            address: announce.address,
            by: with.by,
            want: announce.want as usize,
            leechers_only: announce.left == 0,
            v4: announce.want_v4,
            v6: announce.want_v6,
        };
        select(&self.peers, &wish, scratch, peers);
        Ok(self.found())
    }

    /// A peer that is known reports.
    fn again(
        &mut self,
        at: usize,
        announce: &Announce,
        with: Circumstances<'_>,
        belief: Belief,
    ) -> Result<(), Refused> {
        let (peer, session) = (&mut self.peers[at], &mut self.sessions[at]);
        if peer.key != announce.key {
            // From elsewhere it is somebody else; from the same place the peer was started anew.
            if !peer.may_be_at(announce.address) {
                return Err(Refused::WrongKey);
            }
            *session = Session::begin(announce, with.now);
        } else {
            session.report(announce, with.now, belief, with.open, &mut self.tallies);
        }
        let moved = !peer.may_be_at(announce.address) || peer.networks().next().is_none();
        let before = *peer;
        self.seeders -= u32::from(peer.is_seeder());
        peer.update(announce, with.by, seconds(with.now));
        self.seeders += u32::from(peer.is_seeder());
        if moved && !self.networks.is_empty() {
            let after = self.peers[at];
            self.count(&before, false);
            self.count(&after, true);
        }
        Ok(())
    }

    /// Adds a peer, if there is room for one of its network.
    fn join(&mut self, hash: u64, announce: &Announce, with: Circumstances<'_>) -> Option<usize> {
        if self.peers.len() >= with.rules.max_peers || self.is_full(announce.address, with.rules) {
            return None;
        }
        let at = self.peers.len();
        let position = u32::try_from(at).ok()?;
        let mut peer = Peer::new(announce);
        peer.update(announce, with.by, seconds(with.now));
        self.seeders += u32::from(peer.is_seeder());
        if !self.networks.is_empty() {
            self.count(&peer, true);
        }
        self.peers.push(peer);
        self.sessions.push(Session::begin(announce, with.now));
        self.insert(hash, position, with.rules);
        Some(at)
    }

    /// Puts back a peer from a snapshot.
    pub(super) fn restore(&mut self, peer: Peer, session: Session, rules: &Rules) {
        let hash = rules.hasher.hash_one(peer.id);
        let Ok(position) = u32::try_from(self.peers.len()) else { return };
        self.seeders += u32::from(peer.is_seeder());
        self.peers.push(peer);
        self.sessions.push(session);
        self.insert(hash, position, rules);
    }

    fn insert(&mut self, hash: u64, position: u32, rules: &Rules) {
        let peers = &self.peers;
        let rehash = |position: &u32| rules.hasher.hash_one(peers[*position as usize].id);
        self.index.insert_unique(hash, position, rehash);
    }

    fn find(&self, hash: u64, announce: &Announce) -> Option<usize> {
        let same = |position: &u32| self.peers[*position as usize].id == announce.peer_id.0;
        self.index.find(hash, same).map(|position| *position as usize)
    }

    fn remove(&mut self, at: usize, rules: &Rules) {
        let gone = self.peers[at];
        let last = self.peers.len() - 1;
        let is_at = |place: usize| move |position: &u32| *position as usize == place;
        if let Ok(entry) = self.index.find_entry(rules.hasher.hash_one(gone.id), is_at(at)) {
            entry.remove();
        }
        if at != last {
            let moved = rules.hasher.hash_one(self.peers[last].id);
            if let (Some(position), Ok(place)) = (self.index.find_mut(moved, is_at(last)), u32::try_from(at)) {
                *position = place;
            }
        }
        self.peers.swap_remove(at);
        self.sessions.swap_remove(at);
        self.seeders -= u32::from(gone.is_seeder());
        if !self.networks.is_empty() {
            self.count(&gone, false);
        }
    }

    /// Whether the network of an address has all the peers it may have here.
    fn is_full(&mut self, address: IpAddr, rules: &Rules) -> bool {
        let most = rules.max_per_network as usize;
        if self.peers.len() < most {
            // Nothing can be full; half-way hysteresis so that the counts are not made again at each turn.
            if self.peers.len() < most / 2 {
                self.networks = HashMap::new();
            }
            return false;
        }
        if self.networks.is_empty() {
            for network in self.peers.iter().flat_map(Peer::networks) {
                *self.networks.entry(network).or_default() += 1;
            }
        }
        self.networks.get(&network(address)).is_some_and(|count| *count >= rules.max_per_network)
    }

    fn count(&mut self, peer: &Peer, joins: bool) {
        for network in peer.networks() {
            if joins {
                *self.networks.entry(network).or_default() += 1;
            } else if let Some(count) = self.networks.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    self.networks.remove(&network);
                }
            }
        }
    }

    /// Removes peers last seen before `before` (seconds); returns how many.
    pub(super) fn expire(&mut self, before: u32, rules: &Rules) -> usize {
        let mut at = self.peers.len();
        let count = at;
        while at > 0 {
            at -= 1;
            if self.peers[at].seen < before {
                self.remove(at, rules);
            }
        }
        if self.peers.capacity() > 4 * self.peers.len().max(4) {
            self.peers.shrink_to_fit();
            self.sessions.shrink_to_fit();
            let peers = &self.peers;
            self.index.shrink_to_fit(|position| rules.hasher.hash_one(peers[*position as usize].id));
        }
        count - self.peers.len()
    }

    /// The previous interval ends at `end`: its sessions are asked for what is missing.
    pub(super) fn finish(&mut self, end: Millis, open: &Open) {
        for (peer, session) in self.peers.iter().zip(&mut self.sessions) {
            session.finish(end, open, peer.is_hidden(), &mut self.tallies);
        }
    }

    pub(super) fn peers_mut(&mut self) -> &mut [Peer] {
        &mut self.peers
    }

    /// A peer was tried at an address; where it is no more, that says nothing.
    pub(super) fn tried(&mut self, peer: PeerId, address: SocketAddr, reached: bool, rules: &Rules) {
        let peers = &self.peers;
        let same = |position: &u32| peers[*position as usize].id == peer.0;
        let Some(at) = self.index.find(rules.hasher.hash_one(peer.0), same).map(|position| *position as usize) else {
            return;
        };
        let found = &mut self.peers[at];
        if found.v4().map(SocketAddr::V4) == Some(address) || found.v6().map(SocketAddr::V6) == Some(address) {
            found.set_tried(reached);
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&Peer, &Session)> {
        self.peers.iter().zip(&self.sessions)
    }

    pub(super) const fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn found(&self) -> Found {
        let all = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        Found { seeders: self.seeders, leechers: all - self.seeders }
    }

    pub(super) fn scrape(&self) -> Scraped {
        let Found { seeders, leechers } = self.found();
        Scraped { complete: seeders, downloaded: self.completed, incomplete: leechers }
    }
}

/// Expiry needs no finer time.
pub(super) fn seconds(now: Millis) -> u32 {
    u32::try_from(now / 1000).unwrap_or(u32::MAX)
}
