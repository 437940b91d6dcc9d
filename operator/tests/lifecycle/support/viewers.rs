//! Plays the peers of swarms and one uploader: announces over HTTP and reports to the real tracker, bytes by the clock.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use videocloud_protocol::{
    ids::ContentId,
    tracker::{UploaderReport, UploaderSwarm},
};

use super::{Hub, content_of, workers::info_hash};

/// Time between two announces of a peer and two reports of the uploader.
const PACE: Duration = Duration::from_millis(400);
const SIZE: u64 = 1 << 30;

/// A swarm; rates are bytes per second.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub content: ContentId,
    pub leechers: u8,
    pub seeders: u8,
    /// From the uploader.
    pub upload: u64,
    /// Of all leechers together.
    pub download: u64,
}

impl Crowd {
    /// The swarm of the content behind a link.
    pub fn of(link: &str, (leechers, seeders): (u8, u8), upload: u64, download: u64) -> Self {
        Self { content: content_of(link), leechers, seeders, upload, download }
    }
}

/// Peers that come and go as they are told. They end with this value.
pub struct Viewers {
    crowds: watch::Sender<Vec<Crowd>>,
    _playing: JoinSet<()>,
}

impl Viewers {
    pub fn start(hub: &Hub, capacity: u64, crowds: Vec<Crowd>) -> Self {
        let (crowds, told) = watch::channel(crowds);
        let mut playing = JoinSet::new();
        playing.spawn(play(hub.address, hub.tracker_of_uploaders(), capacity, told));
        Self { crowds, _playing: playing }
    }

    /// Has these swarms be there from now on.
    pub fn are(&self, crowds: Vec<Crowd>) {
        self.crowds.send_replace(crowds);
    }
}

async fn play(
    tracker: SocketAddr,
    client: videocloud_protocol::tracker::Client,
    capacity: u64,
    told: watch::Receiver<Vec<Crowd>>,
) {
    let http = reqwest::Client::new();
    let (began, mut last, mut ticks) = (Instant::now(), Instant::now(), interval(PACE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let crowds = told.borrow().clone();
        let since = std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64();
        let swarms = crowds.iter().map(|crowd| UploaderSwarm {
            bittorrent_bytes: (crowd.upload as f64 * since) as u64,
            leechers: crowd.leechers.into(),
            seeders: crowd.seeders.into(),
            ..UploaderSwarm::new(crowd.content)
        });
        let report = UploaderReport { capacity, swarms: swarms.collect(), ..UploaderReport::default() };
        // The tracker may be away; so may it be for real ones.
        let _ = client.report_uploader("edge", &report).await;
        for crowd in &crowds {
            for peer in 0..crowd.leechers + crowd.seeders {
                let _ = http.get(announce(tracker, crowd, peer, began.elapsed())).send().await;
            }
        }
    }
}

fn announce(tracker: SocketAddr, crowd: &Crowd, peer: u8, elapsed: Duration) -> String {
    let hash: String = info_hash(&crowd.content).as_bytes().iter().map(|byte| format!("%{byte:02x}")).collect();
    let leeches = peer < crowd.leechers;
    let each = |rate: u64| (rate as f64 * elapsed.as_secs_f64() / f64::from(crowd.leechers.max(1))) as u64;
    let downloaded = if leeches { each(crowd.download) } else { 0 };
    let uploaded = each(crowd.download.saturating_sub(crowd.upload));
    let left = if leeches { SIZE.saturating_sub(downloaded).max(1) } else { 0 };
    format!(
        "http://{tracker}/announce?info_hash={hash}&peer_id=-XX0001-{peer:012}&port={}&uploaded={uploaded}&downloaded={downloaded}\
         &left={left}&compact=1&key={peer:08x}",
        7000 + u16::from(peer)
    )
}
