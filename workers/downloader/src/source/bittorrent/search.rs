//! All that looks for peers of one torrent, and the addresses found: who is asked and who is spoken to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::{Info, InfoHash};

use super::dht;
use super::metadata::{self, MetadataError, Voice};
use super::peer::{self, Club, PeerEnd};
use super::pool::Pool;
use super::sharing::Sharing;
use super::swarm::{Named, Torrent};
use super::tracker::Tier;
use crate::discover::{Find, FindId};
use crate::schedule::SpanSet;
use crate::source::SourceError;
use crate::torrent::Plan;

/// Peers at once.
const PEERS: usize = 60;
/// Peers that are asked for metadata at once.
const ASKED: usize = 12;
/// Room for pieces under way of all peers, KiB; more when a piece is larger.
const ROOM: u64 = 96 << 10;
/// How often addresses that rested are looked for, and what is found is summed up.
const TICK: Duration = Duration::from_secs(1);
/// How long the good-byes to trackers may take in all.
const GOODBYE: Duration = Duration::from_millis(2500);
/// Addresses remembered as named by trackers, while it is not known whether the torrent is private.
const SURE: usize = 1000;
/// See the module documentation.
pub(super) struct Search<'a> {
    torrent: &'a Torrent,
    swarms: Vec<InfoHash>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    /// What trackers and magnets name, and what the DHT and peers name.
    addresses: mpsc::Receiver<Vec<SocketAddr>>,
    hearsay: mpsc::Receiver<Vec<SocketAddr>>,
    named: mpsc::Sender<Vec<SocketAddr>>,
    /// Stops the DHT.
    public: CancellationToken,
    /// The first addresses of the pool that did not come from hearsay.
    sure: Vec<SocketAddr>,
    trackers: mpsc::Receiver<Result<usize, SourceError>>,
    nodes: mpsc::Receiver<usize>,
    pool: Pool,
    /// Asks that were answered, ones that were not, peers found in the DHT, last thing that was wrong.
    sum: (usize, usize, usize, Option<SourceError>),
    /// Peers that are not spoken to again.
    banned: usize,
    begun: Instant,
    next: u64,
    noted: String,
}

impl<'a> Search<'a> {
    pub(super) async fn begin(torrent: &'a Torrent, stop: &CancellationToken) -> Self {
        let (sure, addresses) = mpsc::channel(64);
        let (named, hearsay) = mpsc::channel(64);
        let (health, trackers) = mpsc::channel(64);
        let (dht_health, nodes) = mpsc::channel(16);
        let stop = stop.child_token();
        let public = stop.child_token();
        let (mut tasks, mut pool) = (JoinSet::new(), Pool::default());
        let swarms = torrent.hashes().swarms();
        let (mut tiers, private, entries, peers) = match &torrent.named {
            Named::File(file) => (file.tiers.clone(), file.info.is_private(), file.nodes.clone(), Vec::new()),
            Named::Magnet(magnet) => {
                let tiers = magnet.trackers.iter().map(|tracker| vec![tracker.clone()]).collect();
                (tiers, false, Vec::new(), magnet.peers.clone())
            }
        };
        tiers.iter_mut().for_each(|tier| tier.shuffle(&mut rand::rng()));
        if private {
            // One after the other, as BEP 12 and BEP 27 want it; else each tier is asked, for peers are rare.
            tiers = vec![tiers.concat()];
        }
        tiers.retain(|tier| !tier.is_empty());
        for (&swarm, trackers) in swarms.iter().flat_map(|swarm| tiers.iter().map(move |tier| (swarm, tier.clone()))) {
            let (network, left) = (torrent.network.clone(), Arc::clone(&torrent.left));
            let (peers, health) = (sure.clone(), health.clone());
            let uploaded = Arc::clone(&torrent.uploaded);
            let tier = Tier { trackers, swarm, peer: torrent.peer, network, left, uploaded, peers, health };
            tasks.spawn(tier.run(stop.clone()));
        }
        if torrent.options.dht && !private && torrent.network.route.direct().is_some() {
            let (network, peers, health) = (torrent.network.clone(), named.clone(), dht_health);
            let entries = [torrent.options.dht_nodes.clone(), entries].concat();
            let search = dht::Search { swarms: swarms.clone(), entries, network, peers, health };
            tasks.spawn(search.run(public.clone()));
        }
        let mut sure = Vec::new();
        for (host, port) in [torrent.options.peers.clone(), peers].concat() {
            sure.extend(super::resolve(&torrent.network, &host, port).await);
        }
        sure.iter().for_each(|address| pool.add(*address));
        let (sum, begun, next, noted) = ((0, 0, 0, None), Instant::now(), 0, String::new());
        Self {
            torrent,
            swarms,
            tasks,
            stop,
            addresses,
            hearsay,
            named,
            public,
            sure,
            trackers,
            nodes,
            pool,
            sum,
            banned: 0,
            begun,
            next,
            noted,
        }
    }

    /// Lets trackers know that it is over.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GOODBYE, all).await;
    }

    /// A magnet turned out to lead to a private torrent: what others than its trackers named is forgotten.
    pub(super) fn only_trackers(&mut self) {
        self.public.cancel();
        self.hearsay.close();
        self.pool = Pool::default();
        self.sure.iter().for_each(|address| self.pool.add(*address));
    }

    /// Takes in addresses, those that the policy refuses left out.
    fn take(&mut self, addresses: Vec<SocketAddr>) {
        for address in addresses.into_iter().filter(|address| self.torrent.network.permits(*address)) {
            self.pool.add(address);
        }
    }

    /// Waits for what happens next outside of peers.
    async fn look(&mut self) {
        tokio::select! {
            Some(found) = self.addresses.recv() => {
                let room = SURE.saturating_sub(self.sure.len());
                self.sure.extend(found.iter().take(room));
                self.take(found);
            }
            Some(found) = self.hearsay.recv(), if !self.public.is_cancelled() => self.take(found),
            Some(answer) = self.trackers.recv() => match answer {
                Ok(_) => self.sum.0 += 1,
                Err(error) => {
                    self.sum.1 += 1;
                    self.sum.3 = Some(error);
                }
            },
            Some(found) = self.nodes.recv() => self.sum.2 = found,
            () = tokio::time::sleep(TICK) => {}
        }
    }

    /// Tells how it goes, when that has changed.
    async fn note(&mut self, finds: &mpsc::Sender<Find>, busy: usize, doing: &str) {
        let (answered, silent, in_dht, last) = &self.sum;
        let known = self.pool.known();
        let last = last.as_ref().filter(|_| *answered == 0).map(|error| format!("; {error}")).unwrap_or_default();
        let dht = match self.torrent.network.route.direct() {
            Some(_) => format!("the DHT named {in_dht} peers"),
            None => "the DHT is not asked through a proxy".to_owned(),
        };
        let note = format!(
            "{doing}: {busy} of {known} known peers are spoken to; trackers answered {answered} times and failed {silent} \
             times; {dht}; {} peers are banned{last}",
            self.banned,
        );
        if note != self.noted {
            self.noted.clone_from(&note);
            let _ = finds.send(Find::Note(note)).await;
        }
    }

    fn voice(&self, turn: u64) -> Voice {
        let count = self.swarms.len().max(1);
        let place = usize::try_from(turn).unwrap_or(0) % count;
        let swarm = self.swarms.get(place).copied().unwrap_or(InfoHash([0; 20]));
        let (peer, encryption) = (self.torrent.peer, self.torrent.options.encryption);
        let route = self.torrent.network.route.clone();
        Voice { route, swarm, hashes: self.torrent.hashes(), peer, encryption }
    }

    /// The info dictionary, from whoever gives it first; `None` when told to stop.
    pub(super) async fn metadata(
        &mut self,
        finds: &mpsc::Sender<Find>,
        stop: &CancellationToken,
    ) -> Result<Option<Info>, SourceError> {
        match self.ask_peers(finds, stop, "asking for the metadata", metadata::info).await {
            Some(Ok(info)) => Ok(Some(info)),
            // The right dictionary, and it is no use: nobody has another one.
            Some(Err(error)) => Err(SourceError::gone(reason::PROTOCOL_ERROR, error.to_string())),
            None => Ok(None),
        }
    }

    pub(super) async fn layer(
        &mut self,
        info: &Arc<Info>,
        index: usize,
        finds: &mpsc::Sender<Find>,
        stop: &CancellationToken,
    ) -> Option<Vec<[u8; 32]>> {
        let info = Arc::clone(info);
        let ask = move |address, voice| metadata::layer(address, voice, Arc::clone(&info), index);
        self.ask_peers(finds, stop, "asking for piece hashes", ask).await.and_then(Result::ok)
    }

    /// Asks peers side by side until one answers rightly, or says that no answer can be used.
    async fn ask_peers<T: Send + 'static, F>(
        &mut self,
        finds: &mpsc::Sender<Find>,
        stop: &CancellationToken,
        doing: &str,
        ask: impl Fn(SocketAddr, Voice) -> F,
    ) -> Option<Result<T, MetadataError>>
    where
        F: Future<Output = Result<T, MetadataError>> + Send + 'static,
    {
        let mut asked = JoinSet::new();
        let mut busy: Vec<SocketAddr> = Vec::new();
        loop {
            while asked.len() < ASKED
                && let Some(address) = self.pool.next(self.begun.elapsed())
            {
                self.next += 1;
                let answer = ask(address, self.voice(self.next));
                busy.push(address);
                asked.spawn(async move { (address, answer.await) });
            }
            self.note(finds, asked.len(), doing).await;
            tokio::select! {
                () = stop.cancelled() => return None,
                () = finds.closed() => return None,
                Some(Ok((address, answer))) = asked.join_next() => {
                    let end = match &answer {
                        Ok(_) | Err(MetadataError::Info(_)) => PeerEnd::Stopped,
                        Err(MetadataError::Wrong | MetadataError::Message(_)) => PeerEnd::Banned,
                        Err(MetadataError::Wire(_)) => PeerEnd::Lost { answered: false },
                        Err(_) => PeerEnd::Useless,
                    };
                    if let Err(error) = &answer {
                        tracing::debug!(%address, %error, "{doing}");
                    }
                    let now = self.begun.elapsed();
                    busy.retain(|other| *other != address);
                    self.pool.ended(now, address, &end);
                    if matches!(answer, Ok(_) | Err(MetadataError::Info(_))) {
                        asked.shutdown().await;
                        busy.iter().for_each(|other| self.pool.ended(now, *other, &PeerEnd::Stopped));
                        return Some(answer);
                    }
                }
                () = self.look() => {}
            }
        }
    }

    /// Speaks to peers until told to stop. They give `parts` of pieces, or whole ones, and are given of what is there in return.
    pub(super) async fn gather(
        &mut self,
        plan: Arc<Plan>,
        (parts, sharing, mut holds): (bool, Arc<Sharing>, watch::Receiver<Arc<SpanSet>>),
        finds: mpsc::Sender<Find>,
        stop: &CancellationToken,
    ) {
        let room = ROOM.max(2 * plan.info().piece_length() / 1024);
        let room = Arc::new(Semaphore::new(usize::try_from(room).unwrap_or(Semaphore::MAX_PERMITS)));
        let (peer, encryption) = (self.torrent.peer, self.torrent.options.encryption);
        let exchanged = self.named.clone();
        let finding = finds.clone();
        let club = Arc::new(Club {
            plan,
            route: self.torrent.network.route.clone(),
            begun: self.begun,
            peer,
            encryption,
            parts,
            room,
            finds: finding,
            exchanged,
            sharing,
        });
        club.sharing.holds(&Arc::clone(&holds.borrow_and_update()));
        let mut peers: JoinSet<(FindId, SocketAddr, PeerEnd)> = JoinSet::new();
        loop {
            while peers.len() < PEERS
                && let Some(address) = self.pool.next(self.begun.elapsed())
            {
                self.next += 1;
                let (id, swarm, club) = (FindId(self.next), self.voice(self.next).swarm, Arc::clone(&club));
                let token = self.stop.child_token();
                self.lock().insert(id, (address, token.clone()));
                peers.spawn(async move { (id, address, peer::run(club, swarm, address, id, token).await) });
            }
            self.note(&finds, peers.len(), "fetching").await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = finds.closed() => break,
                Ok(()) = holds.changed() => {
                    let there = Arc::clone(&holds.borrow_and_update());
                    club.sharing.holds(&there);
                }
                Some(Ok((id, address, end))) = peers.join_next() => {
                    let stopped = self.lock().remove(&id).is_some_and(|(_, token)| token.is_cancelled());
                    let end = if stopped { PeerEnd::Banned } else { end };
                    self.banned += usize::from(end == PeerEnd::Banned);
                    self.pool.ended(self.begun.elapsed(), address, &end);
                }
                () = self.look() => {}
            }
        }
        self.stop.cancel();
        while peers.join_next().await.is_some() {}
    }

    fn lock(&self) -> MutexGuard<'a, HashMap<FindId, (SocketAddr, CancellationToken)>> {
        self.torrent.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
