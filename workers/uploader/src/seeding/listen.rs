//! The listener: peers are accepted within limits, one task each, all ended with it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::peer_wire::handshake::PeerId;

use super::{connection, crowd::Crowds, shake::shake};
use crate::{
    connections::{Place, Places, wire},
    metrics::Metrics,
    rates::lending,
    source::Library,
    torrents::Collection,
};

/// How often slots are looked through.
const REVIEW_EVERY: Duration = Duration::from_secs(10);

/// What a seeder is made of.
#[derive(Debug)]
pub struct Seeder {
    /// The torrents.
    pub torrents: Arc<Collection>,
    /// The bytes.
    pub library: Arc<Library>,
    /// The swarms with somebody connected.
    pub crowds: Crowds,
    /// Our name.
    pub peer: PeerId,
    /// Who holds a connection.
    pub places: Arc<Places>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Serves peers until `closing` is cancelled, and for `delay` more, in which others come to own what it owned.
pub async fn serve(listener: TcpListener, seeder: Arc<Seeder>, delay: Duration, closing: CancellationToken) {
    let mut connections = JoinSet::new();
    let stopping = CancellationToken::new();
    let stop = async {
        closing.cancelled().await;
        tokio::time::sleep(delay).await;
    };
    tokio::pin!(stop);
    let mut reviews = tokio::time::interval(REVIEW_EVERY);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            _ = reviews.tick() => {
                seeder.crowds.review();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "failed to accept a peer");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match seeder.places.take(address.ip()) {
            Ok(place) => {
                let (seeder, stopping) = (Arc::clone(&seeder), stopping.clone());
                connections.spawn(async move { peer((stream, address), place, &seeder, &stopping).await });
            }
            Err(refused) => seeder.metrics.refused_peer(refused),
        }
    }
    drop(listener);
    // Peers stay as long as they are let: they find the next owner by their trackers.
    stopping.cancel();
    while connections.join_next().await.is_some() {}
}

async fn peer(
    (mut stream, address): (TcpStream, SocketAddr),
    place: Place,
    seeder: &Seeder,
    stopping: &CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let swarms = seeder.crowds.swarms();
    wire::hold_little(&stream, swarms.capacity());
    let meter = swarms.meter(address.ip().to_canonical().is_ipv6());
    let shaken = tokio::select! {
        shaken = shake(&mut stream, &seeder.torrents, seeder.peer) => shaken,
        () = stopping.cancelled() => return,
    };
    let reason = match shaken {
        Err(error) => {
            tracing::debug!(%error, "no peer");
            error.reason()
        }
        Ok(shaken) => match seeder.torrents.of_content(&shaken.content).await {
            Err(error) => {
                tracing::warn!(%error, content = %shaken.content, "not seeded");
                "store"
            }
            Ok(torrents) => {
                let Some(torrent) = torrents.named(&shaken.theirs.swarm).cloned() else { return };
                let abilities = (shaken.theirs.fast, shaken.theirs.extended);
                let membership = seeder.crowds.join(shaken.content, torrent, abilities);
                let served = connection::serve(&mut stream, &meter, shaken, membership, seeder, stopping).await;
                tracing::debug!(%served, "a peer went");
                served.reason()
            }
        },
    };
    if let Some(wire) = wire::wire(&stream) {
        meter.settle(&wire);
    }
    seeder.metrics.peer_ended(reason);
    drop(place);
}

/// Lends what swarms leave unused, until `closing` is cancelled.
pub async fn lend(swarms: Arc<crate::rates::Swarms>, closing: CancellationToken) {
    let mut looks = tokio::time::interval(lending::EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while closing.run_until_cancelled(looks.tick()).await.is_some() {
        swarms.lend();
    }
}
