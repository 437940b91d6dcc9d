//! The first 68 bytes of a connection (BEP 3), and what a peer says it can do.

use crate::torrent::InfoHash;
use rand::Rng;

/// Bytes of a handshake.
pub const LENGTH: usize = 68;
/// How it begins.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// Name of a peer.
pub type PeerId = [u8; 20];

/// A handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The swarm.
    pub swarm: InfoHash,
    /// The sender.
    pub peer: PeerId,
    /// Extension protocol (BEP 10).
    pub extended: bool,
    /// Fast extension (BEP 6).
    pub fast: bool,
    /// Speaks v2 too (BEP 52).
    pub v2: bool,
}

impl Handshake {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[25] = if self.extended { 0x10 } else { 0 };
        bytes[27] = if self.fast { 0x04 } else { 0 } | if self.v2 { 0x10 } else { 0 };
        bytes[28..48].copy_from_slice(&self.swarm.0);
        bytes[48..].copy_from_slice(&self.peer);
        bytes
    }

    /// Reads it; `None` when it is that of another protocol.
    #[must_use]
    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Self> {
        let (swarm, peer) = (bytes[28..48].try_into().ok()?, bytes[48..].try_into().ok()?);
        bytes.starts_with(PROTOCOL).then_some(Self {
            swarm: InfoHash(swarm),
            peer,
            extended: bytes[25] & 0x10 != 0,
            fast: bytes[27] & 0x04 != 0,
            v2: bytes[27] & 0x10 != 0,
        })
    }
}

/// A new name: the client's two letters and version, then chance.
#[must_use]
pub fn new_peer_id() -> PeerId {
    let mut id = *b"-VC0100-............";
    rand::rng().fill_bytes(&mut id[8..]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let peer = new_peer_id();
        for bits in 0..8_u8 {
            let (extended, fast, v2) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let sent = Handshake { swarm: InfoHash([7; 20]), peer, extended, fast, v2 };
            assert_eq!(Handshake::decode(&sent.encode()), Some(sent));
        }
        assert_eq!(Handshake::decode(&[0; LENGTH]), None);
        assert!(peer.starts_with(b"-VC0100-"));
    }
}
