//! What became of requests, counted by protocol without locks.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::swarms::Refused;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// BEP 15.
    Udp,
    /// BEP 3.
    Http,
    /// WebTorrent.
    WebSocket,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Connection ids given (UDP).
    Connected,
    /// Announces taken.
    Announced,
    /// Scrapes answered.
    Scraped,
    /// Not a request.
    Malformed,
    /// Not this tracker's connection id, or too old (UDP): not answered.
    Stranger,
    /// A torrent that is not served.
    Unknown,
    /// The secret is wrong or missing.
    BadSecret,
    /// The peer's id is another's.
    WrongKey,
    /// Too many of one address.
    TooMany,
    /// Offers and answers passed on (WebSocket).
    Relayed,
}

const PROTOCOLS: [(Protocol, &str); 3] =
    [(Protocol::Udp, "udp"), (Protocol::Http, "http"), (Protocol::WebSocket, "websocket")];
const OUTCOMES: [(Outcome, &str); 10] = [
    (Outcome::Connected, "connected"),
    (Outcome::Announced, "announced"),
    (Outcome::Scraped, "scraped"),
    (Outcome::Malformed, "malformed"),
    (Outcome::Stranger, "stranger"),
    (Outcome::Unknown, "unknown"),
    (Outcome::BadSecret, "bad_secret"),
    (Outcome::WrongKey, "wrong_key"),
    (Outcome::TooMany, "too_many"),
    (Outcome::Relayed, "relayed"),
];

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::Unknown,
            Refused::BadSecret => Self::BadSecret,
            Refused::WrongKey => Self::WrongKey,
            Refused::TooMany => Self::TooMany,
        }
    }
}

/// Counters of all outcomes.
#[derive(Debug, Default)]
pub struct Counts([[AtomicU64; OUTCOMES.len()]; PROTOCOLS.len()]);

impl Counts {
    /// Counts `more` outcomes of a protocol.
    pub fn add(&self, protocol: Protocol, outcome: Outcome, more: u64) {
        self.0[protocol as usize][outcome as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// How often something became of requests.
    #[must_use]
    pub fn get(&self, protocol: Protocol, outcome: Outcome) -> u64 {
        self.0[protocol as usize][outcome as usize].load(Ordering::Relaxed)
    }

    /// All counts that are not zero, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        PROTOCOLS.into_iter().flat_map(move |(protocol, name)| {
            let count = move |(outcome, what): (Outcome, &'static str)| (name, what, self.get(protocol, outcome));
            OUTCOMES.into_iter().map(count).filter(|(_, _, count)| *count > 0)
        })
    }
}
