//! Tries whether peers can be reached: a connection is opened and closed, so many a second at most, and never to addresses of a private
//! network unless that was allowed. A peer's address is where its announces come from, so nobody can be had tried by others.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::{net::TcpStream, sync::Semaphore, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::swarms::{Cursor, Swarms};

/// Longest wait for a peer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Passes a second.
const PASSES: u32 = 4;

/// Tries up to `rate` peers a second until `closing` is cancelled.
pub async fn probe(swarms: Arc<Swarms>, rate: u32, allowed: Vec<IpNet>, closing: CancellationToken) {
    let most = rate.div_ceil(PASSES).max(1);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PASSES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let places = Arc::new(Semaphore::new(most as usize * PASSES as usize * PATIENCE.as_secs() as usize));
    let mut tries = tokio::task::JoinSet::new();
    let mut cursor = Cursor::default();
    while closing.run_until_cancelled(ticks.tick()).await.is_some() {
        while tries.try_join_next().is_some() {}
        let room = places.available_permits().min(most as usize);
        for candidate in swarms.untried(&mut cursor, room, &allowed) {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { break };
            let swarms = Arc::clone(&swarms);
            tries.spawn(async move {
                swarms.tried(&candidate, reaches(candidate.address).await);
                drop(place);
            });
        }
    }
}

async fn reaches(address: SocketAddr) -> bool {
    tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.is_ok_and(|opened| opened.is_ok())
}
