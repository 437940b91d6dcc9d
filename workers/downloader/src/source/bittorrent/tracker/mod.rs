//! Trackers: who is asked when, and what they answer (BEP 3, 7, 12, 15, 23).

mod http;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::InfoHash;

use super::Network;
use super::handshake::PeerId;
use crate::source::SourceError;

pub use http::read as read_http;
pub use udp::{Announced as UdpAnnounced, announced as read_udp};

/// How many peers are asked for.
const WANTED: u32 = 200;
/// Shortest and longest time between two announces, whatever the tracker says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(1800);
/// First pause after a tier did not answer; doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// How long the good-bye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Port that is announced: nobody listens, and 1 is what trackers take for that.
const PORT: u16 = 1;

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Started,
    Regular,
    Stopped,
}

/// An announce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announce {
    pub(super) swarm: InfoHash,
    pub(super) peer: PeerId,
    /// Chosen once for a download, so that a tracker knows it again under another address.
    pub(super) key: u32,
    pub(super) left: u64,
    /// Bytes given to peers.
    pub(super) uploaded: u64,
    pub(super) moment: Moment,
}

/// What a tracker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Seconds until the next announce, as it wishes.
    pub interval: u64,
    /// Peers.
    pub peers: Vec<SocketAddr>,
}

/// One tier of trackers and what is told to them.
pub(super) struct Tier {
    pub(super) trackers: Vec<Url>,
    pub(super) swarm: InfoHash,
    pub(super) peer: PeerId,
    pub(super) network: Network,
    /// Bytes that are still to come.
    pub(super) left: Arc<AtomicU64>,
    /// Bytes given to peers so far.
    pub(super) uploaded: Arc<AtomicU64>,
    pub(super) peers: mpsc::Sender<Vec<SocketAddr>>,
    /// Told after each round: whether a tracker answered, and what was wrong with the last one that did not.
    pub(super) health: mpsc::Sender<Result<usize, SourceError>>,
}

impl Tier {
    /// Announces until `stop`: the first tracker of the tier that answers is kept in front.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut moment = Moment::Started;
        let mut failures = 0_u32;
        let key = rand::random();
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => break,
                round = self.round(moment, key) => round,
            };
            let pause = match round {
                Ok(answer) => {
                    (failures, moment) = (0, Moment::Regular);
                    let _ = self.health.send(Ok(answer.peers.len())).await;
                    if self.peers.send(answer.peers).await.is_err() {
                        break;
                    }
                    Duration::from_secs(answer.interval).clamp(SHORTEST, LONGEST)
                }
                Err(error) => {
                    tracing::info!(%error, "no tracker of a tier answers");
                    let _ = self.health.send(Err(error)).await;
                    failures = failures.saturating_add(1);
                    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(7)).min(LONGEST)
                }
            };
            let pause = pause.mul_f64(rand::rng().random_range(0.9..1.1));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if moment == Moment::Regular
            && let Some(first) = self.trackers.first()
        {
            let _ = tokio::time::timeout(GOODBYE, self.announce(first, Moment::Stopped, key)).await;
        }
    }

    async fn round(&mut self, moment: Moment, key: u32) -> Result<Answer, SourceError> {
        let mut last = SourceError::gone(reason::BAD_SPEC, "a tier without a tracker");
        for at in 0..self.trackers.len() {
            let Some(tracker) = self.trackers.get(at) else { break };
            match self.announce(tracker, moment, key).await {
                Ok(answer) => {
                    self.trackers[..=at].rotate_right(1);
                    return Ok(answer);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn announce(&self, tracker: &Url, moment: Moment, key: u32) -> Result<Answer, SourceError> {
        let left = self.left.load(Ordering::Relaxed);
        let uploaded = self.uploaded.load(Ordering::Relaxed);
        let announce = Announce { swarm: self.swarm, peer: self.peer, key, left, uploaded, moment };
        match tracker.scheme() {
            "udp" => udp::announce(tracker, &announce, &self.network).await,
            "http" | "https" => http::announce(tracker, &announce, &self.network).await,
            _ => Err(SourceError::gone(reason::UNSUPPORTED_SOURCE, format!("failed to announce to {}", name(tracker)))),
        }
    }
}

/// Scheme, host and port: paths and queries of private trackers are secrets.
fn name(tracker: &Url) -> String {
    let port = tracker.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", tracker.scheme(), tracker.host_str().unwrap_or_default())
}
