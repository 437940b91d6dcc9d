//! Agreement of mirrors: where nothing proves a content, one mirror is followed, and others are read beside it and compared.
//!
//! Every byte that two mirrors have alike counts as agreed; samples would prove nothing about the rest. Where they differ all vote,
//! and the odd one is banned. A torrent or Metalink that is looked for is waited for a while. The end does not wait for slow mirrors for longer than the download itself took: then it is one
//! source's word, and said so.

mod compare;
mod glue;
mod votes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use videocloud_store::{Staging, StoreError};

use self::compare::{BLOCK, Compared, compare};
pub(super) use self::glue::compared;
use self::votes::{Verdict, Votes};
use super::Hosts;
use super::throttle::Throttle;
use crate::schedule::{Fault, SourceId, Span, SpanSet};
use crate::source::{Source, SourceError};

/// Mirrors that are read beside the one that is followed, at once.
const READERS: usize = 4;
/// Bytes of one comparison at most.
const LONGEST: u64 = 16 * BLOCK;
/// Failures that pass, after which a mirror is not compared any more.
const ATTEMPTS: u32 = 3;
/// How long a complete content that nothing proves waits for a torrent or Metalink that is looked for.
const DESCRIBED: Duration = Duration::from_secs(20);
/// How long the end waits for comparisons at least.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mirror that may be compared.
struct Mirror {
    id: SourceId,
    source: Arc<dyn Source>,
}

/// What comparisons work with.
struct Means<'a> {
    staging: &'a Arc<Staging>,
    throttle: &'a Arc<Throttle>,
    hosts: &'a Hosts,
}

/// What follows from a comparison.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Who was compared, the bytes it delivered for that, and the size of its content if it said.
    read: Option<(SourceId, u64, Option<u64>)>,
    /// It failed.
    failure: Option<SourceError>,
    /// These gave other bytes than most.
    odd: Vec<SourceId>,
    /// The followed source gave other bytes than most.
    followed_is_odd: bool,
    /// These gave other bytes than the followed source, and nobody can say who is right.
    disagree: Vec<SourceId>,
}

type Job = (SourceId, Span, Result<Compared, StoreError>);

/// See the module documentation.
pub(super) struct Agreement {
    followed: SourceId,
    mirrors: Vec<Mirror>,
    agreed: HashMap<SourceId, SpanSet>,
    votes: Votes,
    /// Who is being read, and what.
    busy: HashMap<SourceId, Span>,
    failures: HashMap<SourceId, u32>,
    /// Not compared any more.
    out: HashSet<SourceId>,
    hopeless: bool,
    began: Instant,
    /// When the content was complete.
    complete: Option<Instant>,
    jobs: JoinSet<Job>,
}

impl Agreement {
    /// Nothing is compared yet with what `followed` gives.
    pub(super) fn new(followed: SourceId) -> Self {
        Self {
            followed,
            mirrors: Vec::new(),
            agreed: HashMap::new(),
            votes: Votes::default(),
            busy: HashMap::new(),
            failures: HashMap::new(),
            out: HashSet::new(),
            hopeless: false,
            began: Instant::now(),
            complete: None,
            jobs: JoinSet::new(),
        }
    }

    /// Begins comparisons of what is there of `size` bytes, with `mirrors`; `busy` are the connections that a host has besides.
    fn start(
        &mut self,
        mirrors: Vec<Mirror>,
        done: &SpanSet,
        size: u64,
        means: &Means<'_>,
        busy: impl Fn(&str) -> usize,
    ) {
        self.mirrors = mirrors;
        let mut readers: HashMap<String, usize> = HashMap::new();
        for mirror in self.mirrors.iter().filter(|mirror| self.busy.contains_key(&mirror.id)) {
            *readers.entry(mirror.source.host()).or_default() += 1;
        }
        // Whoever is asked to vote comes first.
        let (voters, others): (Vec<_>, Vec<_>) =
            self.mirrors.iter().partition(|mirror| self.votes.question(mirror.id).is_some());
        for mirror in voters.into_iter().chain(others) {
            if self.busy.len() >= READERS || self.hopeless {
                return;
            }
            if self.busy.contains_key(&mirror.id) || self.out.contains(&mirror.id) {
                continue;
            }
            let question = self.votes.question(mirror.id);
            let asked = question.and_then(|block| Span::new(block * BLOCK, (block * BLOCK + BLOCK).min(size)));
            let Some(span) = asked.or_else(|| self.open(done, size)) else { continue };
            let host = mirror.source.host();
            let reading = readers.entry(host.clone()).or_default();
            if busy(&host) + *reading >= means.hosts.connections(&host) {
                continue;
            }
            *reading += 1;
            self.busy.insert(mirror.id, span);
            let (id, source) = (mirror.id, Arc::clone(&mirror.source));
            let throttle = (Arc::clone(means.throttle), means.hosts.of(&host));
            let staging = Arc::clone(means.staging);
            self.jobs.spawn(async move { (id, span, compare(source, staging, throttle, span, size).await) });
        }
    }

    /// The first whole blocks that are there and that nobody has compared.
    fn open(&self, done: &SpanSet, size: u64) -> Option<Span> {
        let mut open = done.clone();
        self.agreed.values().flat_map(SpanSet::iter).chain(self.busy.values().copied()).for_each(|s| open.remove(s));
        open.iter().find_map(|span| {
            let end = if span.end() == size { size } else { span.end() - span.end() % BLOCK };
            let start = span.start().next_multiple_of(BLOCK);
            Span::new(start, end.min(start.saturating_add(LONGEST)))
        })
    }

    /// The next comparison that ended; waits for ever when none is under way.
    ///
    /// # Errors
    /// The staging area cannot be read.
    pub(super) async fn next(&mut self) -> Result<Finding, StoreError> {
        loop {
            match self.jobs.join_next().await {
                Some(Ok((id, span, compared))) => return Ok(self.take(id, span, compared?)),
                // Only when the runtime shuts down.
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    fn take(&mut self, id: SourceId, span: Span, compared: Compared) -> Finding {
        self.busy.remove(&id);
        let Compared { size, bytes, answers, failure } = compared;
        let mut start = span.start();
        for answer in answers {
            let end = (start + BLOCK).min(span.end());
            self.votes.cast(start / BLOCK, id, answer);
            if let (None, Some(same)) = (answer, Span::new(start, end)) {
                self.agreed.entry(id).or_default().insert(same);
            }
            start = end;
        }
        if let Some(error) = &failure {
            let count = self.failures.entry(id).or_default();
            *count += 1;
            if error.fault == Fault::Gone || *count >= ATTEMPTS {
                self.out.insert(id);
            }
        }
        let mut finding = Finding { read: Some((id, bytes, size)), failure, ..Finding::default() };
        loop {
            let known = self.mirrors.iter().map(|mirror| mirror.id);
            let voters: Vec<SourceId> = known.filter(|id| !self.out.contains(id)).collect();
            match self.votes.judge(&voters) {
                Verdict::Open => return finding,
                Verdict::Odd(odd) => {
                    for id in odd {
                        // What it had alike proves as little as the rest.
                        self.agreed.remove(&id);
                        if self.out.insert(id) {
                            finding.odd.push(id);
                        }
                    }
                }
                Verdict::FollowedIsOdd => finding.followed_is_odd = true,
                Verdict::Tie(disagree) => {
                    self.hopeless = true;
                    self.out.extend(&disagree);
                    finding.disagree.extend(disagree);
                }
            }
        }
    }

    /// Whether every one of `size` bytes is agreed.
    pub(super) fn is_complete(&self, size: u64) -> bool {
        let agreed: SpanSet = self.agreed.values().flat_map(SpanSet::iter).collect();
        !self.hopeless && self.votes.is_empty() && Span::new(0, size).is_some_and(|all| agreed.covers(all))
    }

    /// Whether a content that is complete needs to wait no longer: all is agreed, or it will not be in time. `hopes` says that a torrent
    /// or Metalink is looked for, which would prove more.
    fn is_settled(&mut self, size: u64, hopes: bool) -> bool {
        let now = Instant::now();
        let complete = *self.complete.get_or_insert(now);
        let patience = (complete - self.began).max(PATIENCE);
        let able = self.mirrors.iter().any(|mirror| !self.out.contains(&mirror.id));
        let compared = self.hopeless || !able || self.is_complete(size) || now > complete + patience;
        compared && !(hopes && now < complete + DESCRIBED)
    }
}
