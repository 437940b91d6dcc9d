//! One peer of a swarm in memory: 56 bytes beside the reporting fields, both address families in one record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use serde::{Deserialize, Serialize};

use super::announce::Announce;

/// Speaks v1 of the protocol, or was found by the only hash of its torrent.
pub(super) const BY_V1: u8 = 1;
/// Speaks v2.
pub(super) const BY_V2: u8 = 2;
const SEEDER: u8 = 4;
/// Whether it can be reached was tried where it is now.
const TRIED: u8 = 8;
/// It could not.
const HIDDEN: u8 = 16;

/// Who and where. Ports of 0 stand for a family in which the peer cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) id: [u8; 20],
    v6: [u8; 16],
    v4: [u8; 4],
    pub(super) key: u32,
    v4_port: u16,
    v6_port: u16,
    /// When it announced last, seconds of the tracker's clock.
    pub(super) seen: u32,
    flags: u8,
}

// At most 64 bytes per peer beside the reporting fields (`Session`): 56 here, and a slot of 5 in the index. Growth of vectors comes
// on top; docs/benchmarks.md has what a peer takes in all.
const _: () = assert!(size_of::<Peer>() <= 56);

impl Peer {
    pub(super) fn new(announce: &Announce) -> Self {
        Self {
            id: announce.peer_id.0,
            v6: [0; 16],
            v4: [0; 4],
            key: announce.key,
            v4_port: 0,
            v6_port: 0,
            seen: 0,
            flags: 0,
        }
    }

    /// Takes what an announce says of where the peer is.
    pub(super) fn update(&mut self, announce: &Announce, by: u8, seen: u32) {
        self.key = announce.key;
        self.seen = seen;
        let before = (self.v4(), self.v6());
        match announce.address {
            IpAddr::V4(address) => (self.v4, self.v4_port) = (address.octets(), announce.port),
            IpAddr::V6(address) => (self.v6, self.v6_port) = (address.octets(), announce.port),
        }
        // Elsewhere it may be reached, or not.
        let kept = if before == (self.v4(), self.v6()) { TRIED | HIDDEN } else { 0 };
        self.flags = (self.flags & (BY_V1 | BY_V2 | kept)) | by | if announce.left == 0 { SEEDER } else { 0 };
    }

    pub(super) const fn is_tried(&self) -> bool {
        self.flags & TRIED != 0
    }

    /// Notes that it was tried, and whether it was reached.
    pub(super) const fn set_tried(&mut self, reached: bool) {
        self.flags = (self.flags & !HIDDEN) | TRIED | if reached { 0 } else { HIDDEN };
    }

    /// It was tried and could not be reached: there is no use in naming it.
    pub(super) const fn is_hidden(&self) -> bool {
        self.flags & HIDDEN != 0
    }

    pub(super) const fn is_seeder(&self) -> bool {
        self.flags & SEEDER != 0
    }

    pub(super) const fn speaks(&self, by: u8) -> bool {
        self.flags & by != 0
    }

    pub(super) const fn v4(&self) -> Option<SocketAddrV4> {
        let [a, b, c, d] = self.v4;
        if self.v4_port == 0 { None } else { Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), self.v4_port)) }
    }

    pub(super) const fn v6(&self) -> Option<SocketAddrV6> {
        if self.v6_port == 0 {
            return None;
        }
        Some(SocketAddrV6::new(Ipv6Addr::from_bits(u128::from_be_bytes(self.v6)), self.v6_port, 0, 0))
    }

    /// Whether the peer was seen at `address` last, or never at one of its family.
    pub(super) fn may_be_at(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4 == [0; 4] || self.v4 == address.octets(),
            IpAddr::V6(address) => self.v6 == [0; 16] || self.v6 == address.octets(),
        }
    }

    /// The networks it counts against.
    pub(super) fn networks(&self) -> impl Iterator<Item = u64> {
        let v4 = (self.v4 != [0; 4]).then(|| network(IpAddr::V4(self.v4.into())));
        let v6 = (self.v6 != [0; 16]).then(|| network(IpAddr::V6(self.v6.into())));
        v4.into_iter().chain(v6)
    }
}

/// The /24 or the /48 of an address, as a number no other network has.
pub(super) fn network(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        // The 48 bits leave room for a mark.
        IpAddr::V6(address) => 1 << 63 | u64::try_from(address.to_bits() >> 80).unwrap_or_default(),
    }
}
