//! One search for the peers of a swarm: ask the nearest nodes known, learn of nearer ones, until the nearest have answered. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use videocloud_protocol::torrent::InfoHash;

use super::krpc::{Answer, Node, NodeId};
use crate::schedule::Time;

/// Nearest nodes that have to answer.
const NEAREST: usize = 8;
/// Questions under way.
const AT_ONCE: usize = 8;
/// Wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Questions of one search, and nodes remembered: a liar cannot keep it busy.
const MAX_QUESTIONS: usize = 250;
const MAX_NODES: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked,
    Answered,
    Silent,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Lookup {
    target: NodeId,
    /// By distance; nodes whose names are not known are the farthest.
    nodes: BTreeMap<(NodeId, SocketAddr), State>,
    known: HashMap<SocketAddr, NodeId>,
    /// Questions under way: whom, since when.
    open: HashMap<u16, (NodeId, SocketAddr, Time)>,
    questions: usize,
    next: u16,
}

impl Lookup {
    /// A search for `swarm` that begins at `entries`; `first` is the number of the first question.
    #[must_use]
    pub fn new(swarm: InfoHash, entries: impl IntoIterator<Item = SocketAddr>, first: u16) -> Self {
        let (nodes, known, open) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        let mut lookup = Self { target: swarm.0, nodes, known, open, questions: 0, next: first };
        for address in entries {
            lookup.learn([0xff; 20], address);
        }
        lookup
    }

    fn learn(&mut self, distance: NodeId, address: SocketAddr) {
        if self.known.len() < MAX_NODES && !self.known.contains_key(&address) {
            self.known.insert(address, distance);
            self.nodes.insert((distance, address), State::New);
        }
    }

    /// Whom to ask next, and the question's number; `None` while enough are asked, or when the search is over.
    pub fn next(&mut self, now: Time) -> Option<(u16, SocketAddr)> {
        let late: Vec<u16> =
            self.open.iter().filter(|(_, (.., since))| *since + TIMEOUT <= now).map(|(&number, _)| number).collect();
        for number in late {
            if let Some((distance, address, _)) = self.open.remove(&number) {
                self.nodes.insert((distance, address), State::Silent);
            }
        }
        if self.open.len() >= AT_ONCE || self.questions >= MAX_QUESTIONS {
            return None;
        }
        let able = self.nodes.iter().filter(|(_, state)| **state != State::Silent);
        let (&(distance, address), _) = able.take(NEAREST).find(|(_, state)| **state == State::New)?;
        self.nodes.insert((distance, address), State::Asked);
        self.questions += 1;
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, (distance, address, now));
        Some((self.next, address))
    }

    /// Takes in an answer that came from `from`; the peers it names, if it answers a question.
    pub fn take(&mut self, from: SocketAddr, answer: Answer, permits: impl Fn(&Node) -> bool) -> Vec<SocketAddr> {
        match self.open.get(&answer.number) {
            Some((distance, asked, _)) if *asked == from => {
                let place = (*distance, *asked);
                self.nodes.insert(place, State::Answered);
            }
            _ => return Vec::new(),
        }
        self.open.remove(&answer.number);
        for node in answer.nodes.iter().filter(|node| permits(node)) {
            let distance = std::array::from_fn(|at| node.id[at] ^ self.target[at]);
            self.learn(distance, node.address);
        }
        answer.peers
    }

    /// Whether nothing is under way and nobody is left to ask. Call it after [`Lookup::next`] gave `None`.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Nodes that answered, the nearest first: where the next search begins.
    #[must_use]
    pub fn answered(&self) -> Vec<SocketAddr> {
        let answered = self.nodes.iter().filter(|(_, state)| **state == State::Answered);
        answered.map(|((_, address), _)| *address).take(64).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(id: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, (id >> 8) as u8, id as u8], 1000))
    }

    fn name(id: u16) -> NodeId {
        let mut name = [0; 20];
        name[..2].copy_from_slice(&id.to_be_bytes());
        name
    }

    /// A network of 1,000 nodes of which each knows the 8 nearest to any target among every 7th node, and a fifth is silent.
    #[test]
    fn the_nearest_nodes_are_found() {
        let target = InfoHash(name(0x1234));
        let alive = |id: u16| !id.is_multiple_of(5);
        let all: Vec<u16> = (0..1000).map(|at| at * 61).collect();
        let mut lookup = Lookup::new(target, [address(all[1])], 0);
        let mut now = Time::ZERO;
        let mut asked = 0;
        loop {
            while let Some((number, to)) = lookup.next(now) {
                asked += 1;
                let SocketAddr::V4(v4) = to else { unreachable!() };
                let [.., high, low] = v4.ip().octets();
                let id = u16::from_be_bytes([high, low]);
                if !alive(id) {
                    continue;
                }
                let mut near: Vec<u16> =
                    all.iter().copied().filter(|other| other % 7 == id % 7 || other ^ id < 64).collect();
                near.sort_by_key(|other| other ^ 0x1234);
                near.truncate(8);
                let nodes = near.iter().map(|&id| Node { id: name(id), address: address(id) }).collect();
                let peers = vec![address(id)];
                assert!(
                    lookup
                        .take(address(id ^ 1), Answer { number, peers: peers.clone(), nodes: Vec::new() }, |_| true)
                        .is_empty()
                );
                assert_eq!(lookup.take(to, Answer { number, peers, nodes }, |_| true).len(), 1);
            }
            if lookup.is_over() {
                break;
            }
            now += Duration::from_secs(1);
        }
        assert!(asked < MAX_QUESTIONS, "{asked}");
        assert!(lookup.answered().len() >= NEAREST);
    }

    #[test]
    fn a_liar_cannot_keep_it_busy() {
        let mut lookup = Lookup::new(InfoHash([0; 20]), [address(1)], 0);
        let mut fresh = 0_u16;
        let mut asked = 0;
        while let Some((number, to)) = lookup.next(Time::ZERO) {
            asked += 1;
            let nodes = (0..32).map(|_| {
                fresh = fresh.wrapping_add(1);
                Node { id: name(u16::MAX - fresh), address: address(fresh.wrapping_add(1)) }
            });
            lookup.take(to, Answer { number, peers: Vec::new(), nodes: nodes.collect() }, |_| true);
        }
        assert!(asked <= MAX_QUESTIONS && lookup.known.len() <= MAX_NODES);
    }
}
