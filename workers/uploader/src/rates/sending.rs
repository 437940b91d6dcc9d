//! The right to send of one content, paid from one of its two shares: whoever holds it asks before each piece, and says what was sent.

use std::sync::Arc;

use super::{UNLIMITED, gate::Gate, meter::Meter, swarms::Swarm};

/// Shortest piece, bytes: below it the cost of a piece exceeds its bytes.
const MIN_PIECE: u64 = 512;
/// Pieces a second: so that no second sees more than about a hundredth too much or too little.
const PIECES: u64 = 100;

/// What a byte is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// HTTP to viewers that are no peers.
    Http,
    /// The peer wire and web seeds (S).
    BitTorrent,
}

/// A request, or a connected swarm, under way. Dropping it ends the request's count.
#[derive(Debug)]
pub struct Sending {
    swarm: Arc<Swarm>,
    granted: Arc<Gate>,
    share: Share,
}

impl Sending {
    pub(super) fn new(swarm: Arc<Swarm>, granted: Arc<Gate>, share: Share) -> Self {
        if share == Share::Http {
            swarm.request(true);
        }
        Self { swarm, granted, share }
    }

    /// What is counted of the content.
    #[must_use]
    pub fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    /// Bytes per second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.gate().rate()
    }

    /// Bytes to send in one go.
    #[must_use]
    pub fn piece(&self, most: u64) -> u64 {
        Self::piece_of(self.rate(), most)
    }

    fn piece_of(rate: u64, most: u64) -> u64 {
        match rate {
            UNLIMITED => most,
            rate => (rate / PIECES).max(MIN_PIECE).min(most),
        }
    }

    /// Bytes allowed at once on the connection of `meter`, of at most `wanted`; `None` when one has to wait.
    #[must_use]
    pub fn try_pass(&self, meter: &Meter, wanted: u64) -> Option<u64> {
        let bytes = self.gate().try_pass(|rate| Self::piece_of(rate, wanted))?;
        if self.granted.try_pass(|_| bytes).is_some() {
            if meter.try_pass(bytes) {
                return Some(bytes);
            }
            self.granted.give_back(bytes);
        }
        self.gate().give_back(bytes);
        None
    }

    /// Waits for its turn to send on the connection of `meter`, and says how many bytes, of at most `wanted`.
    pub async fn pass(&self, meter: &Meter, wanted: u64) -> u64 {
        let bytes = self.gate().pass(|rate| Self::piece_of(rate, wanted)).await;
        self.granted.pass(|_| bytes).await;
        meter.pass(bytes).await;
        bytes
    }

    /// Pays afterwards for `bytes` that were sent without asking. The connection's meter sees them by itself.
    pub fn charge(&self, bytes: u64) {
        self.swarm.count(self.share, bytes);
        self.gate().charge(bytes);
        self.granted.charge(bytes);
    }

    /// Settles a pass: `sent` of the `allowed` bytes were sent.
    pub fn sent(&self, meter: &Meter, allowed: u64, sent: u64) {
        self.swarm.count(self.share, sent);
        if sent < allowed {
            self.gate().give_back(allowed - sent);
            self.granted.give_back(allowed - sent);
            meter.give_back(allowed - sent);
        }
    }

    fn gate(&self) -> &Gate {
        self.swarm.gate(self.share)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.share == Share::Http {
            self.swarm.request(false);
        }
    }
}
