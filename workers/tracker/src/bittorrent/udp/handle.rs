//! What is answered to which datagram. No sockets: bytes and an address in, bytes out.
//!
//! Amplification: who has not shown a connection id gets 16 bytes for 16 bytes (connect), or nothing.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use videocloud_protocol::ids::InfoHash;

use super::{
    connection::ConnectionIds,
    wire::{self, AnnounceRequest, Request},
};
use crate::{
    bittorrent::{Counts, Outcome, Protocol},
    swarms::{Announce, DEFAULT_WANT, MAX_WANT, Millis, Peers, Swarms, Worker},
};

/// Answers of one batch, in one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    /// All answers, one after the other.
    pub bytes: Vec<u8>,
    /// Where each ends, and whom it is for.
    pub answers: Vec<(usize, SocketAddr)>,
}

impl Batch {
    /// Empties it, for the next.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.answers.clear();
    }

    /// The answers and their addressees.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let begins = std::iter::once(0).chain(self.answers.iter().map(|(end, _)| *end));
        begins.zip(&self.answers).map(|(begin, (end, to))| (&self.bytes[begin..*end], *to))
    }
}

/// Answers datagrams; one per thread.
#[derive(Debug)]
pub struct Handler {
    swarms: Arc<Swarms>,
    counts: Arc<Counts>,
    ids: ConnectionIds,
    worker: Worker,
    peers: Peers,
    /// Outcomes of this batch: written once, so that threads do not fight for the counters.
    tally: Vec<(Outcome, u64)>,
}

impl Handler {
    /// A handler. All of one tracker share `ids`.
    #[must_use]
    pub fn new(swarms: Arc<Swarms>, counts: Arc<Counts>, ids: ConnectionIds) -> Self {
        Self { swarms, counts, ids, worker: Worker::default(), peers: Peers::default(), tally: Vec::new() }
    }

    /// Handles one datagram that came from `from`; the answer, if there is one, is added to `batch`.
    pub fn handle(&mut self, datagram: &[u8], from: SocketAddr, now: Millis, batch: &mut Batch) {
        // No answer can reach port 0.
        if from.port() == 0 {
            return self.count(Outcome::Malformed);
        }
        let begin = batch.bytes.len();
        let address = from.ip().to_canonical();
        let outcome = match wire::parse(datagram) {
            Err(wire::Malformed) => Outcome::Malformed,
            Ok(Request::Connect { transaction }) => {
                wire::connected(&mut batch.bytes, transaction, self.ids.give(address, now));
                Outcome::Connected
            }
            Ok(Request::Announce(request)) => self.announce(&request, address, now, &mut batch.bytes),
            Ok(Request::Scrape { connection, transaction, hashes }) => {
                if !self.ids.is_good(connection, address, now) {
                    Outcome::Stranger
                } else if !self.swarms.limits.admit(address, now) {
                    Outcome::TooMany
                } else {
                    wire::scraped(&mut batch.bytes, transaction);
                    for hash in hashes {
                        let found = self.swarms.scrape(&InfoHash::from_bytes(*hash));
                        wire::numbers(&mut batch.bytes, found.unwrap_or_default());
                    }
                    Outcome::Scraped
                }
            }
        };
        self.count(outcome);
        if batch.bytes.len() > begin {
            batch.answers.push((batch.bytes.len(), from));
        }
    }

    fn announce(&mut self, request: &AnnounceRequest<'_>, address: IpAddr, now: Millis, out: &mut Vec<u8>) -> Outcome {
        if !self.ids.is_good(request.connection, address, now) {
            return Outcome::Stranger;
        }
        // A flood is not worth an answer.
        if !self.swarms.limits.admit(address, now) {
            return Outcome::TooMany;
        }
        let announce = Announce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            key: request.key,
            address,
            port: request.port,
            uploaded: request.uploaded,
            downloaded: request.downloaded,
            left: request.left,
            event: request.event,
            want: u32::try_from(request.want).unwrap_or(DEFAULT_WANT).min(MAX_WANT),
            want_v4: address.is_ipv4(),
            want_v6: address.is_ipv6(),
        };
        let begin = out.len();
        match self.swarms.announce(&announce, request.secret, now, &mut self.worker, &mut self.peers) {
            Ok(answer) => {
                let found = answer.found;
                wire::announced(out, request.transaction, answer.interval, found.leechers, found.seeders);
                if address.is_ipv4() {
                    wire::peers_v4(out, begin, &self.peers.v4);
                } else {
                    wire::peers_v6(out, begin, &self.peers.v6);
                }
                Outcome::Announced
            }
            Err(refused) => {
                wire::failed(out, request.transaction, refused.reason());
                refused.into()
            }
        }
    }

    fn count(&mut self, outcome: Outcome) {
        match self.tally.iter_mut().find(|(counted, _)| *counted == outcome) {
            Some((_, count)) => *count += 1,
            None => self.tally.push((outcome, 1)),
        }
    }

    /// The batch is done: its outcomes are counted.
    pub fn settle(&mut self) {
        for (outcome, count) in self.tally.drain(..) {
            self.counts.add(Protocol::Udp, outcome, count);
            if outcome == Outcome::Announced {
                self.swarms.load.add(count);
            }
        }
    }
}
