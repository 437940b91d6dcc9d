//! Announces to a tracker that hears nothing of us by reports because its API is closed to us: each torrent as a seed, spread over the
//! interval the tracker asks for, one that somebody just asked for at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::{ids::ContentId, peer_wire::handshake::PeerId, tracker::ClientError, tracker::SeedAnnounce};

use crate::{catalogue::Standing, torrents::Collection};

/// How often due torrents are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Contents announced in one look: with two torrents each 40 a second, within what trackers take from one address.
const AT_ONCE: usize = 10;
/// After a failed announce, the next one.
const RETRY: Duration = Duration::from_secs(15);

/// Announces torrents.
#[derive(Debug)]
pub struct Announcer {
    /// The tracker.
    pub standing: Arc<Standing>,
    /// The torrents.
    pub torrents: Arc<Collection>,
    /// Our name.
    pub peer: PeerId,
    /// Where we listen.
    pub port: u16,
    due: Mutex<HashMap<ContentId, Instant>>,
    turns: Semaphore,
}

impl Announcer {
    /// Nothing announced yet.
    #[must_use]
    pub fn new(standing: Arc<Standing>, torrents: Arc<Collection>, peer: PeerId, port: u16) -> Self {
        Self { standing, torrents, peer, port, due: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Sees to it that a torrent was announced, if torrents are to be.
    pub async fn first(&self, content: &ContentId) {
        let known = self.with(|due| due.contains_key(content));
        if self.standing.is_closed() && !known {
            self.announce(content, Some("started")).await;
        }
    }

    /// Announces what is due until `closing` is cancelled, and then that we go.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while closing.run_until_cancelled(looks.tick()).await.is_some() {
            if !self.standing.is_closed() {
                continue;
            }
            let now = Instant::now();
            let due: Vec<(ContentId, bool)> = self.with(|due| {
                let next = |content: &ContentId| due.get(content).copied();
                self.torrents.read(|index| {
                    let all = index.contents().map(|content| (content, next(&content)));
                    let all = all.filter(|(_, next)| next.is_none_or(|next| next <= now));
                    all.map(|(content, next)| (content, next.is_none())).take(AT_ONCE).collect()
                })
            });
            let announces = due.iter().map(|(content, new)| self.announce(content, new.then_some("started")));
            closing.run_until_cancelled(futures::future::join_all(announces)).await;
        }
        self.leave().await;
    }

    /// Says goodbye, as far as that is possible within a few seconds.
    async fn leave(&self) {
        let contents: Vec<ContentId> = self.with(|due| due.drain().map(|(content, _)| content).collect());
        let all = contents.iter().map(|content| async {
            // The tracker finds out by itself if this is lost.
            drop(self.say(content, Some("stopped")).await);
        });
        drop(tokio::time::timeout(Duration::from_secs(3), futures::future::join_all(all)).await);
    }

    async fn announce(&self, content: &ContentId, event: Option<&'static str>) {
        let next = match self.say(content, event).await {
            Some(Ok(interval)) => interval,
            Some(Err(error)) => {
                tracing::warn!(%content, %error, "not announced");
                RETRY
            }
            None => return,
        };
        let next = Instant::now() + next.mul_f64(rand::random_range(0.9..1.0));
        self.with(|due| due.insert(*content, next));
    }

    /// Announces both torrents: to such a tracker they are two.
    async fn say(&self, content: &ContentId, event: Option<&'static str>) -> Option<Result<Duration, ClientError>> {
        let names = self.torrents.read(|index| index.names(content))?;
        let _turn = self.turns.acquire().await.ok()?;
        let each = names.map(|swarm| {
            let announce = SeedAnnounce { swarm, peer: self.peer, port: self.port, uploaded: 0, event };
            async move { self.standing.tracker().announce(&announce).await }
        });
        let [first, second] = each;
        let (first, second) = futures::join!(first, second);
        Some(first.and_then(|interval| Ok(interval.min(second?))))
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<ContentId, Instant>) -> T) -> T {
        f(&mut self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
