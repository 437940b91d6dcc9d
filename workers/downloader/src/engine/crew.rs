//! Everybody who takes part in a download: the sources of the order, and those that discoveries add while it runs.
//!
//! Here are the discoveries' tasks, which end with the download, and the rules on what they may say. Who may write is
//! [`super::trust`]'s business.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;

use super::ledger::Ledger;
use super::{Candidate, Order, Way, Ways, checkpoint};
use crate::discover::{self, Description, Discovery, Find, FindId, Found, Held};
use crate::schedule::{Fault, SourceId, SourceSpec, Span, SpanSet};
use crate::source::{Source, SourceError};

/// Sources that may be known at once; what is found beyond that is not used.
const MAX_MEMBERS: usize = 400;
/// Links taken from all descriptions of one download.
const MAX_LINKS: usize = 100;
/// First pause before a discovery that failed for a time runs again; doubles to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// One source.
pub(super) struct Member {
    pub(super) source: Arc<dyn Source>,
    pub(super) priority: i32,
    /// What it says it can give.
    holds: Option<SpanSet>,
    /// The discovery that found it, and its number there.
    found: Option<(SourceId, FindId)>,
}

/// What follows from a find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// This source may be asked from now on.
    New(SourceId),
    /// What this source can give changed.
    Holds(SourceId),
    /// This source went away.
    Gone(SourceId),
    /// More is known of the content.
    Described,
}

/// What a discovery's task tells.
pub(super) enum Word {
    Find(Find),
    /// It failed and may run again.
    Failed(SourceError),
    Ended,
}

/// A discovery that takes part.
struct Followed {
    discovery: Arc<dyn Discovery>,
    /// How links that it names are followed.
    ways: Arc<dyn Ways>,
}

/// See the module documentation.
pub(super) struct Crew {
    pub(super) ledger: Ledger,
    pub(super) description: Option<Description>,
    members: HashMap<SourceId, Member>,
    discoveries: HashMap<SourceId, Followed>,
    found: HashMap<(SourceId, FindId), SourceId>,
    links: HashSet<String>,
    /// The discovery whose piece hashes are believed.
    pieces_of: Option<SourceId>,
    running: HashSet<SourceId>,
    words: mpsc::Receiver<(SourceId, Word)>,
    speak: mpsc::Sender<(SourceId, Word)>,
    tasks: JoinSet<()>,
    /// What discoveries may give to others.
    held: Option<Arc<dyn Held>>,
    stop: CancellationToken,
}

impl Crew {
    /// The order's candidates, none of them at work yet.
    pub(super) fn new(order: &Order, held: Option<Arc<dyn Held>>, stop: &CancellationToken) -> Self {
        let (speak, words) = mpsc::channel(discover::QUEUE);
        let mut crew = Self {
            ledger: Ledger::default(),
            description: None,
            members: HashMap::new(),
            discoveries: HashMap::new(),
            found: HashMap::new(),
            links: HashSet::new(),
            pieces_of: None,
            running: HashSet::new(),
            words,
            speak,
            tasks: JoinSet::new(),
            held,
            stop: stop.child_token(),
        };
        for candidate in &order.candidates {
            crew.enlist(candidate, None);
        }
        crew
    }

    /// Takes a candidate in; a discovery starts at once.
    fn enlist(&mut self, candidate: &Candidate, parent: Option<SourceId>) -> SourceId {
        self.links.insert(candidate.link.url().as_str().to_owned());
        let id = self.ledger.add(candidate.name.clone(), Some(candidate.link.clone()), parent);
        match &candidate.way {
            Way::Source(source) => {
                let source = Arc::clone(source);
                self.members.insert(id, Member { source, priority: candidate.priority, holds: None, found: None });
            }
            Way::Discovery(discovery) => {
                if let Some(held) = &self.held {
                    discovery.lend(Arc::clone(held));
                }
                let ways = Arc::clone(&candidate.ways);
                self.discoveries.insert(id, Followed { discovery: Arc::clone(discovery), ways });
                self.running.insert(id);
                self.tasks.spawn(follow(id, Arc::clone(discovery), self.speak.clone(), self.stop.clone()));
            }
        }
        id
    }

    pub(super) fn member(&self, id: SourceId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Sources that can be asked, in order of their numbers.
    pub(super) fn sources(&self) -> Vec<SourceId> {
        self.ledger.ids().filter(|id| self.members.contains_key(id)).collect()
    }

    /// Whether more may be found.
    pub(super) fn searches(&self) -> bool {
        !self.running.is_empty()
    }

    /// The next word of a discovery; waits for ever when none is at work.
    pub(super) async fn hear(&mut self) -> (SourceId, Word) {
        match self.words.recv().await {
            Some(word) => word,
            // Cannot be: this struct holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Takes in a word.
    pub(super) fn take(&mut self, order: &Order, (of, word): (SourceId, Word)) -> Change {
        if !self.discoveries.contains_key(&of) {
            // Taken back; it may still speak.
            return Change::None;
        }
        match word {
            Word::Find(Find::Description(description)) => self.described(order, of, description),
            Word::Find(Find::Source(found)) => self.join(of, found),
            Word::Find(Find::Holds { source, holds }) => {
                let Some(&id) = self.found.get(&(of, source)) else { return Change::None };
                if let Some(member) = self.members.get_mut(&id) {
                    member.holds = Some(holds);
                }
                Change::Holds(id)
            }
            Word::Find(Find::Gone { source, reason }) => {
                let Some(id) = self.found.remove(&(of, source)) else { return Change::None };
                tracing::debug!(source = id.0, "{reason}");
                self.members.remove(&id);
                self.ledger.failed(id, SourceError { fault: Fault::Gone, ..reason });
                Change::Gone(id)
            }
            Word::Find(Find::Note(note)) => {
                if let Some(account) = self.ledger.get_mut(of) {
                    account.note = Some(note);
                }
                Change::None
            }
            Word::Failed(error) => {
                let gone = error.fault == Fault::Gone;
                self.ledger.failed(of, error);
                if gone {
                    self.running.remove(&of);
                }
                Change::None
            }
            Word::Ended => {
                self.running.remove(&of);
                Change::None
            }
        }
    }

    fn join(&mut self, of: SourceId, found: Found) -> Change {
        if self.members.len() >= MAX_MEMBERS || self.found.contains_key(&(of, found.id)) {
            return Change::None;
        }
        let id = self.ledger.add(found.label, None, Some(of));
        self.found.insert((of, found.id), id);
        let Found { source, priority, holds, .. } = found;
        self.members.insert(id, Member { source, priority, holds, found: Some((of, found.id)) });
        Change::New(id)
    }

    /// Takes in a description, unless it contradicts the order or what is known already.
    fn described(&mut self, order: &Order, of: SourceId, new: Description) -> Change {
        if let Err(message) = self.fits(order, &new) {
            tracing::warn!(source = of.0, "{message}");
            self.ledger.failed(of, SourceError::gone(reason::SOURCES_DISAGREE, message));
            self.running.remove(&of);
            return Change::None;
        }
        let Some(ways) = self.discoveries.get(&of).map(|followed| Arc::clone(&followed.ways)) else {
            return Change::None;
        };
        let mut linked = false;
        for further in new.links.iter().take(MAX_LINKS) {
            if self.links.len() >= MAX_LINKS || self.links.contains(further.link.url().as_str()) {
                continue;
            }
            let parent = self.ledger.get(of).map(|account| account.link.as_ref().map(ToString::to_string));
            match ways.way(&further.link, further.priority) {
                Ok(way) => {
                    let name = format!("link-{} of {}", self.links.len() + 1, parent.flatten().unwrap_or_default());
                    let (link, priority) = (further.link.clone(), further.priority);
                    let ways = Arc::clone(&ways);
                    self.enlist(&Candidate { name, link, way, priority, ways }, Some(of));
                    linked = true;
                }
                Err(error) => tracing::info!(link = %further.link, "{error}"),
            }
        }
        let before = self.description.clone();
        let known = before.clone().unwrap_or_default();
        if new.pieces.is_some() && !(known.certified && known.pieces.is_some()) {
            self.pieces_of = Some(of);
        }
        self.description = Some(Description {
            name: known.name.or(new.name),
            size: known.size.or(new.size),
            digests: if known.digests.is_empty() { new.digests } else { known.digests },
            ed2k: known.ed2k.or(new.ed2k),
            pieces: if known.certified && known.pieces.is_some() { known.pieces } else { new.pieces.or(known.pieces) },
            links: Vec::new(),
            origin: known.origin.or(new.origin),
            certified: known.certified || new.certified,
        });
        if linked || before != self.description { Change::Described } else { Change::None }
    }

    /// Takes back a description whose piece hashes nobody certifies, whatever it led to, and what was held against others because of
    /// it. False when there is none.
    pub(super) fn disown(&mut self) -> bool {
        let believed = self.description.as_ref().is_some_and(|known| known.pieces.is_some() && !known.certified);
        let Some(of) = self.pieces_of.take().filter(|_| believed) else { return false };
        self.description = None;
        self.discoveries.remove(&of);
        self.running.remove(&of);
        self.members.retain(|_, member| member.found.is_none_or(|(by, _)| by != of));
        self.ledger.acquit();
        let message = "what it describes is not the content with the digest that was asked for";
        for id in self.ledger.ids() {
            if id == of || self.ledger.get(id).is_some_and(|account| account.parent == Some(of)) {
                self.ledger.failed(id, SourceError::gone(reason::SOURCES_DISAGREE, message));
            }
        }
        true
    }

    fn fits(&self, order: &Order, new: &Description) -> Result<(), String> {
        let known = self.description.as_ref();
        if let (Some(wanted), Some(size)) = (order.size.or(known.and_then(|known| known.size)), new.size)
            && wanted != size
        {
            return Err(format!("it describes a content of {size} bytes, {wanted} are expected"));
        }
        if let (Some(wanted), Some(ed2k)) = (known.and_then(|known| known.ed2k), new.ed2k)
            && wanted != ed2k
        {
            return Err("it describes a content with another ed2k hash".to_owned());
        }
        let digests = order.digest.iter().chain(known.iter().flat_map(|known| &known.digests));
        for wanted in digests {
            let same = |digest: &&videocloud_protocol::digest::Digest| digest.algorithm() == wanted.algorithm();
            if let Some(digest) = new.digests.iter().find(same)
                && digest != wanted
            {
                return Err(format!("it describes a content with {digest}, {wanted} is expected"));
            }
        }
        Ok(())
    }

    /// What the scheduler has to know of `id`: a source that does not verify itself gives nothing that could not be verified.
    pub(super) fn spec(&self, order: &Order, id: SourceId) -> Option<SourceSpec> {
        let member = self.members.get(&id)?;
        let manner = member.source.manner();
        let per_host = usize::try_from(order.limits.connections_per_host).unwrap_or(usize::MAX).max(1);
        Some(SourceSpec {
            host: member.source.host(),
            priority: u32::MAX - member.priority.max(0).unsigned_abs(),
            lanes: manner.lanes.unwrap_or(per_host).clamp(1, per_host),
            longest: manner.longest,
            holds: self.holds(id),
            verified: manner.verified,
        })
    }

    /// What `id` can give and may give.
    pub(super) fn holds(&self, id: SourceId) -> Option<SpanSet> {
        let member = self.members.get(&id)?;
        let pieces = self.description.as_ref().and_then(|known| known.pieces.as_ref());
        let pieces = pieces.filter(|_| !member.source.manner().verified);
        let Some(pieces) = pieces else { return member.holds.clone() };
        let outside = [0, pieces.count().saturating_sub(1)].into_iter().filter(|&index| !pieces.decidable(index));
        let outside: Vec<Span> = outside.filter_map(|index| pieces.span(index)).collect();
        if outside.is_empty() {
            return member.holds.clone();
        }
        let mut holds = member.holds.clone().unwrap_or_else(|| SpanSet::of(Span::new(0, pieces.size())));
        outside.into_iter().for_each(|span| holds.remove(span));
        Some(holds)
    }

    /// `id` gave wrong bytes.
    pub(super) fn ban(&mut self, id: SourceId, what: &str) {
        self.ledger.ban(id, what);
        let Some((of, find)) = self.members.get(&id).and_then(|member| member.found) else { return };
        self.members.remove(&id);
        self.found.remove(&(of, find));
        if let Some(Followed { discovery, .. }) = self.discoveries.get(&of) {
            discovery.banned(find);
        }
    }

    /// The state to save: who wrote what, and what is `proven`.
    pub(super) fn checkpoint(&self, size: Option<u64>, proven: Option<&SpanSet>) -> Vec<u8> {
        let pieces = self.description.as_ref().and_then(|known| known.pieces.as_ref());
        checkpoint::save(
            size,
            &self.ledger,
            pieces.zip(proven).map(|(pieces, proven)| (pieces.fingerprint().to_owned(), proven)),
        )
    }

    /// Tells the discoveries what is there and proven.
    pub(super) fn proven(&self, verified: &SpanSet) {
        self.discoveries.values().for_each(|followed| followed.discovery.verified(verified));
    }

    /// Ends the discoveries and waits until they have ended.
    pub(super) async fn dismiss(&mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(3), all).await.is_err() {
            self.tasks.abort_all();
        }
    }
}

/// Runs one discovery until it has ended for good, again after faults that pass.
async fn follow(
    id: SourceId,
    discovery: Arc<dyn Discovery>,
    speak: mpsc::Sender<(SourceId, Word)>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let (finds, mut found) = mpsc::channel(discover::QUEUE);
        let run = discovery.run(finds, stop.clone());
        tokio::pin!(run);
        let mut ended = None;
        let ended = loop {
            tokio::select! {
                result = &mut run, if ended.is_none() => ended = Some(result),
                find = found.recv() => match (find, ended.take()) {
                    (Some(find), before) => {
                        ended = before;
                        if speak.send((id, Word::Find(find))).await.is_err() {
                            return;
                        }
                    }
                    (None, Some(result)) => break result,
                    // It dropped its sender and has more to do.
                    (None, None) => break (&mut run).await,
                },
            }
        };
        let again = matches!(&ended, Err(error) if error.fault != Fault::Gone) && !stop.is_cancelled();
        let word = match ended {
            Ok(()) => Word::Ended,
            Err(error) => Word::Failed(error),
        };
        // Nobody listens any more when the download has ended.
        if speak.send((id, word)).await.is_err() || !again {
            return;
        }
        let wait = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
