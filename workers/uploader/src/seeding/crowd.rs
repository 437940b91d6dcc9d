//! The connections of one swarm, held together: slots, what is counted, and what super-seeding tells whom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use videocloud_protocol::{ids::ContentId, torrent::Metainfo};

use super::{
    reveal::Reveal,
    session::Session,
    slots::{self, Member, Slots},
};
use crate::rates::{Sending, Share, Swarms, UNLIMITED};

/// Leechers from which on a swarm without another seed is super-seeded: below, every piece is news to nearly everybody anyway.
const CROWDED: usize = 4;

/// One connected peer.
#[derive(Debug)]
pub struct Peer {
    session: Mutex<Session>,
    /// There is something to send.
    pub wake: Notify,
}

impl Peer {
    /// Uses its session. Never held over an await.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A swarm with somebody connected.
#[derive(Debug)]
pub struct Crowd {
    /// The content.
    pub content: ContentId,
    /// Pays for what is sent.
    pub sending: Sending,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    slots: Slots,
    members: HashMap<Member, (Arc<Peer>, bool)>,
    next: Member,
    reveal: Option<Reveal>,
}

/// All swarms with somebody connected.
#[derive(Debug)]
pub struct Crowds {
    swarms: Arc<Swarms>,
    began: Instant,
    super_seeding: bool,
    open: Mutex<HashMap<ContentId, Arc<Crowd>>>,
}

impl Crowds {
    /// Nobody connected.
    #[must_use]
    pub fn new(swarms: Arc<Swarms>, super_seeding: bool) -> Self {
        Self { swarms, began: Instant::now(), super_seeding, open: Mutex::default() }
    }

    /// What pays for what is sent.
    #[must_use]
    pub const fn swarms(&self) -> &Arc<Swarms> {
        &self.swarms
    }

    /// Time by the clock that sessions and slots go by.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A peer of a content's swarm comes, by one of its torrents. `abilities` are the fast extension and the extension protocol.
    #[must_use]
    pub fn join(&self, content: ContentId, torrent: Arc<Metainfo>, abilities: (bool, bool)) -> Membership<'_> {
        let mut open = self.lock();
        let crowd = Arc::clone(open.entry(content).or_insert_with(|| {
            let sending = self.swarms.send(content, Share::BitTorrent);
            let (slots, members) = (Slots::default(), HashMap::new());
            let state = Mutex::new(State { slots, members, next: 0, reveal: None });
            Arc::new(Crowd { content, sending, state })
        }));
        let (member, peer) = crowd.join(torrent, abilities, self.super_seeding, self.now());
        drop(open);
        Membership { crowds: self, crowd, member, peer }
    }

    /// Brings all slots in order; to be called every ten seconds.
    pub fn review(&self) {
        let crowds: Vec<Arc<Crowd>> = self.lock().values().map(Arc::clone).collect();
        let now = self.now();
        for crowd in crowds {
            let mut state = crowd.state();
            state.review(&crowd.sending, now);
            state.reveal_more(now);
        }
    }

    /// Swarms with somebody connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContentId, Arc<Crowd>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in its swarm; dropping it leaves.
#[derive(Debug)]
pub struct Membership<'a> {
    crowds: &'a Crowds,
    /// The swarm.
    pub crowd: Arc<Crowd>,
    member: Member,
    /// The peer.
    pub peer: Arc<Peer>,
}

impl Membership<'_> {
    /// The peer was heard: slots, counts and what others are told follow. True when there is nothing left that it could want.
    #[must_use]
    pub fn heard(&self) -> bool {
        let (interested, finished, had, news) = {
            let mut session = self.peer.session();
            (session.interested(), session.finished(), session.take_had(), session.take_news())
        };
        let (crowd, now) = (&self.crowd, self.crowds.now());
        if had > 0 {
            crowd.sending.swarm().had(had);
        }
        let mut state = crowd.state();
        if let Some(member) = state.members.get_mut(&self.member)
            && member.1 != finished
        {
            member.1 = finished;
            state.count(&crowd.sending);
            if finished {
                state.show_all();
            }
        }
        if state.slots.interest(self.member, interested, now) {
            state.review(&crowd.sending, now);
        }
        state.passed(self.member, &news);
        if interested || !news.is_empty() {
            state.reveal_more(now);
        }
        finished
    }
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        let mut open = self.crowds.lock();
        let mut state = self.crowd.state();
        state.members.remove(&self.member);
        state.slots.leave(self.member);
        if let Some(reveal) = &mut state.reveal {
            reveal.leave(self.member);
        }
        state.count(&self.crowd.sending);
        state.review(&self.crowd.sending, self.crowds.now());
        if state.members.is_empty() {
            open.remove(&self.crowd.content);
        }
    }
}

impl Crowd {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(
        &self,
        torrent: Arc<Metainfo>,
        abilities: (bool, bool),
        super_seeding: bool,
        now: Duration,
    ) -> (Member, Arc<Peer>) {
        let mut state = self.state();
        let pieces = u32::try_from(torrent.info.pieces()).unwrap_or(u32::MAX);
        let alone = state.members.values().all(|(_, finished)| !finished);
        let hiding = super_seeding && alone && state.members.len() >= CROWDED && self.sending.rate() != UNLIMITED;
        if hiding && state.reveal.is_none() {
            state.reveal = Some(Reveal::new(pieces));
        }
        let session = Session::new(torrent, abilities, hiding, now);
        let peer = Arc::new(Peer { session: Mutex::new(session), wake: Notify::new() });
        let member = state.next;
        state.next += 1;
        state.members.insert(member, (Arc::clone(&peer), false));
        state.slots.join(member, now);
        state.count(&self.sending);
        (member, peer)
    }
}

impl State {
    fn count(&self, sending: &Sending) {
        let seeders = self.members.values().filter(|(_, finished)| *finished).count();
        let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        sending.swarm().peers(whole(self.members.len() - seeders), whole(seeders));
    }

    fn review(&mut self, sending: &Sending, now: Duration) {
        for (member, choked) in self.slots.review(slots::count(sending.rate()), now) {
            if let Some((peer, _)) = self.members.get(&member) {
                peer.session().choke(choked);
                peer.wake.notify_one();
            }
        }
        if sending.rate() == UNLIMITED {
            self.show_all();
        }
    }

    /// `member` came to have these.
    fn passed(&mut self, member: Member, news: &[u32]) {
        let alone = self.members.len() < 2;
        if let Some(reveal) = &mut self.reveal {
            for piece in news {
                // Who passed it on is told of the next one below, as one that waits for nothing.
                drop(reveal.had(member, *piece, alone));
            }
        }
    }

    /// Tells those who wait for nothing of another piece.
    fn reveal_more(&mut self, now: Duration) {
        let Some(reveal) = &mut self.reveal else { return };
        for (member, (peer, _)) in &self.members {
            let mut session = peer.session();
            if session.is_hiding()
                && let Some(piece) = reveal.next(*member, now, |piece| session.has(piece))
            {
                session.tell(piece);
                peer.wake.notify_one();
            }
        }
    }

    /// There is another seed, or no reason to save: nobody is kept in the dark any more.
    fn show_all(&mut self) {
        if self.reveal.take().is_some() {
            for (peer, _) in self.members.values() {
                peer.session().show_all();
                peer.wake.notify_one();
            }
        }
    }
}
