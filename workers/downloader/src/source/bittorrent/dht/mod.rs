//! Peers from the DHT. This node asks and does not answer: it lives as long as one download.

mod krpc;
mod lookup;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::torrent::InfoHash;

use super::Network;

pub use krpc::{Answer, Node, NodeId, answer, get_peers};
pub use lookup::Lookup;

/// Where the search begins when nothing else is known.
pub const BOOTSTRAP: &[(&str, u16)] =
    &[("dht.libtorrent.org", 25_401), ("dht.transmissionbt.com", 6881), ("router.bittorrent.com", 6881)];
/// Pause after a search that found few peers, and after one that found many.
const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(600);
const FEW: usize = 20;
/// How often late answers are looked for.
const TICK: Duration = Duration::from_millis(200);

/// What the search needs.
pub(super) struct Search {
    pub(super) swarms: Vec<InfoHash>,
    pub(super) entries: Vec<(String, u16)>,
    pub(super) network: Network,
    pub(super) peers: mpsc::Sender<Vec<SocketAddr>>,
    /// Told after each search: peers found.
    pub(super) health: mpsc::Sender<usize>,
}

impl Search {
    /// Searches again and again until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let own: NodeId = rand::random();
        let mut near: Vec<SocketAddr> = Vec::new();
        loop {
            let mut found = 0;
            for &swarm in &self.swarms {
                let entries = [near.clone(), self.resolve().await].concat();
                let (count, answered) = tokio::select! {
                    () = stop.cancelled() => return,
                    done = self.search(own, swarm, entries) => done.unwrap_or_default(),
                };
                found += count;
                if !answered.is_empty() {
                    near = answered;
                }
            }
            tracing::debug!(found, nodes = near.len(), "searched the DHT");
            let _ = self.health.send(found).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(if found < FEW { SOON } else { LATER }) => {}
            }
        }
    }

    async fn resolve(&self) -> Vec<SocketAddr> {
        let each = self.entries.iter().map(|(host, port)| super::resolve(&self.network, host, *port));
        futures::future::join_all(each).await.into_iter().flatten().collect()
    }

    /// One search. Returns how many peers it found and who answered.
    async fn search(
        &self,
        own: NodeId,
        swarm: InfoHash,
        entries: Vec<SocketAddr>,
    ) -> std::io::Result<(usize, Vec<SocketAddr>)> {
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // A machine without IPv6 searches without it.
        let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok();
        let mut lookup = Lookup::new(swarm, entries, rand::random());
        let begun = Instant::now();
        let (mut first, mut second) = (vec![0; 4096], vec![0; 4096]);
        let mut found = 0;
        loop {
            while let Some((number, to)) = lookup.next(begun.elapsed()) {
                let socket = if to.is_ipv4() { Some(&v4) } else { v6.as_ref() };
                if let Some(socket) = socket {
                    // A network that cannot be reached is as good as a node that does not answer.
                    let _ = socket.send_to(&get_peers(number, &own, swarm), to).await;
                }
            }
            if lookup.is_over() {
                return Ok((found, lookup.answered()));
            }
            let (bytes, from) = tokio::select! {
                Ok((length, from)) = v4.recv_from(&mut first) => (&first[..length], from),
                Some(Ok((length, from))) = receive(v6.as_ref(), &mut second) => (&second[..length], from),
                () = tokio::time::sleep(TICK) => continue,
            };
            let Some(answer) = answer(bytes) else { continue };
            let peers = lookup.take(from, answer, |node| self.network.permits(node.address));
            found += peers.len();
            if !peers.is_empty() && self.peers.send(peers).await.is_err() {
                return Ok((found, Vec::new()));
            }
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> Option<std::io::Result<(usize, SocketAddr)>> {
    Some(socket?.recv_from(buffer).await)
}
