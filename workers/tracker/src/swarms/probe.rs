//! Which peers are to be tried, and what came of it. Whoever cannot be reached is named to nobody and counts as no seeder: he may still
//! fetch from others. Pure; the sockets are in `bittorrent::probe`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use videocloud_protocol::ids::InfoHash;

use super::{announce::PeerId, store::Swarms, swarm::Swarm};

/// Ports below are services of the system, not peers.
const LOWEST_PORT: u16 = 1024;

/// A peer to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    swarm: InfoHash,
    peer: PeerId,
    /// Where it says it listens, at the address its announces come from.
    pub address: SocketAddr,
}

/// Where a pass over all swarms goes on.
#[derive(Debug, Default)]
pub struct Cursor(usize);

/// Whether an address may be tried: one of the internet, or of a network that is allowed.
#[must_use]
pub fn may_try(address: SocketAddr, allowed: &[IpNet]) -> bool {
    let ip = address.ip().to_canonical();
    let foreign = match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b) || a == 198 && (b & 0xfe) == 18 || a == 0 || a >= 240;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || shared)
        }
        // Global unicast, and no way into IPv4 (6to4, Teredo).
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            first & 0xe000 == 0x2000 && first != 0x2002 && !(first == 0x2001 && second < 0x200)
        }
    };
    address.port() >= LOWEST_PORT && (foreign || allowed.iter().any(|network| network.contains(&ip)))
}

impl Swarms {
    /// Up to `most` peers that were not tried where they are now, from where the last call ended. Looks at a few shards at most, so that
    /// it is short.
    #[must_use]
    pub fn untried(&self, cursor: &mut Cursor, most: usize, allowed: &[IpNet]) -> Vec<Candidate> {
        let mut found = Vec::new();
        for _ in 0..self.shard_count() {
            for (swarm, entry) in self.shard_at(cursor.0).swarms() {
                let room = most - found.len();
                let untried = entry.untried(room, allowed);
                found.extend(untried.into_iter().map(|(peer, address)| Candidate { swarm, peer, address }));
                if found.len() >= most {
                    // The rest of the shard comes first next time: those that were found are no candidates then.
                    return found;
                }
            }
            cursor.0 = (cursor.0 + 1) % self.shard_count();
        }
        found
    }

    /// A candidate was tried.
    pub fn tried(&self, candidate: &Candidate, reached: bool) {
        let mut shard = self.shard(&candidate.swarm);
        if let Some(swarm) = shard.entry(&candidate.swarm, false).and_then(|(entry, _)| entry.swarm.as_mut()) {
            swarm.tried(candidate.peer, candidate.address, reached, &self.rules);
        }
    }
}

impl Swarm {
    fn untried(&mut self, most: usize, allowed: &[IpNet]) -> Vec<(PeerId, SocketAddr)> {
        let mut found = Vec::new();
        for peer in self.peers_mut().iter_mut().filter(|peer| !peer.is_tried()) {
            if found.len() >= most {
                break;
            }
            // Asked for once, whatever comes of it.
            peer.set_tried(true);
            let v4 = peer.v4().map(SocketAddr::V4);
            let address = v4.or_else(|| peer.v6().map(SocketAddr::V6)).filter(|address| may_try(*address, allowed));
            found.extend(address.map(|address| (PeerId(peer.id), address)));
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_and_allowed_networks_are_tried() {
        let may = |address: &str, allowed: &[IpNet]| may_try(address.parse().unwrap(), allowed);
        for good in ["8.8.8.8:6881", "[2a00:1450::1]:6881", "[::ffff:8.8.8.8]:6881"] {
            assert!(may(good, &[]), "{good}");
        }
        for bad in [
            "127.0.0.1:6881",
            "10.1.2.3:6881",
            "172.16.0.1:6881",
            "192.168.1.1:6881",
            "169.254.169.254:8080",
            "100.64.0.1:6881",
            "198.18.0.1:6881",
            "224.0.0.1:6881",
            "0.0.0.0:6881",
            "255.255.255.255:6881",
            "8.8.8.8:80",
            "8.8.8.8:0",
            "[::1]:6881",
            "[fe80::1]:6881",
            "[fd00::1]:6881",
            "[ff02::1]:6881",
            "[2002:7f00:1::]:6881",
            "[2001::1]:6881",
            "[::ffff:127.0.0.1]:6881",
        ] {
            assert!(!may(bad, &[]), "{bad}");
        }
        let own: IpNet = "10.0.0.0/8".parse().unwrap();
        assert!(may("10.1.2.3:6881", &[own]) && !may("10.1.2.3:22", &[own]) && !may("192.168.1.1:6881", &[own]));
    }
}
