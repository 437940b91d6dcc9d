//! BitTorrent as a place where bytes come from: peers that trackers, the DHT and other peers name.
//!
//! [`Torrent`] is the [`Discovery`](crate::discover::Discovery) of one torrent or magnet link: it finds peers, learns what the
//! content is, and hands each peer that gives something to the engine as a [`Source`](crate::source::Source) that delivers verified
//! pieces, or parts of pieces that are too long for one peer. What is said with a peer is decided in [`session`] (pure); sockets are
//! at the edge, in `wire` and `peer`. Every address, whoever names it, goes through the same policy as a link's host. Peers that are
//! connected to are given proven pieces in return ([`sharing`]), where the order allows it; nobody is listened to.

mod choker;
pub mod dht;
mod fault;
mod giving;
mod lane;
mod link;
mod metadata;
mod peer;
mod pool;
mod search;
pub mod session;
#[cfg(test)]
mod session_tests;
mod sharing;
mod swarm;
pub mod tracker;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use videocloud_protocol::failure::reason;

pub use fault::PeerFault;
pub use link::TorrentLink;
pub use swarm::{Named, Options, Torrent};
/// What is said on the wire.
pub use videocloud_protocol::peer_wire::{bits, encryption, extension, handshake, message};
pub use wire::Encryption;

use super::{Route, SourceError};

/// What connections of this process share.
#[derive(Clone)]
pub struct Network {
    /// How hosts and peers are reached. Through a proxy neither the DHT nor trackers over UDP are asked: they would see whom it
    /// hides.
    pub route: Route,
    /// For trackers that are asked over HTTPS.
    pub tls: Arc<rustls::ClientConfig>,
}

impl Network {
    /// Whether `address` may be connected to.
    fn permits(&self, address: SocketAddr) -> bool {
        address.port() != 0 && self.route.permits(address.ip())
    }
}

/// Addresses of a host that a torrent or magnet names; none when it is refused or does not resolve.
async fn resolve(network: &Network, host: &str, port: u16) -> Vec<SocketAddr> {
    let parsed = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => url::Host::Ipv4(v4),
        Ok(std::net::IpAddr::V6(v6)) => url::Host::Ipv6(v6),
        Err(_) => url::Host::Domain(host),
    };
    let addresses = match (network.route.direct(), &parsed) {
        (Some(resolver), _) => resolver.addresses(parsed, port).await,
        (None, url::Host::Ipv4(ip)) => Ok(vec![(*ip, port).into()]),
        (None, url::Host::Ipv6(ip)) => Ok(vec![(*ip, port).into()]),
        (None, url::Host::Domain(_)) => {
            let message =
                format!("failed to resolve {host}: names of peers do not go through a proxy; give an address");
            Err(SourceError::gone(reason::UNSUPPORTED_SOURCE, message))
        }
    };
    match addresses {
        Ok(addresses) => addresses,
        Err(error) => {
            tracing::info!(%error, "a peer or node that is named cannot be used");
            Vec::new()
        }
    }
}
