//! Finished intervals: made from the tallies when their time has come, kept for a while, waited for by schedulers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;
use videocloud_protocol::{
    ids::{ContentId, InfoHash},
    tracker::{IntervalSamples, Sample, SampleFlag},
};

use super::{
    interval::Millis,
    known::Known,
    shard::is_over,
    store::Swarms,
    tally::{Allocated, Tally, Through},
};

/// Finished intervals that are kept.
const KEPT: usize = 4;

/// What the tables in force say, for samples.
#[derive(Debug, Clone, Default)]
pub struct Allocations {
    /// The newest generation among the tables.
    pub generation: u64,
    /// By content, over all clusters.
    pub rates: HashMap<ContentId, Allocated>,
}

impl Allocations {
    /// What a content was given throughout an interval that began under `self` and ended under `end`; `None` where no table
    /// names it at the end.
    fn through(&self, end: &Self, content: &ContentId) -> Option<Through> {
        let (begun, ended) = (self.rates.get(content).copied().unwrap_or_default(), end.rates.get(content)?);
        Some(Through {
            least: begun.bittorrent.min(ended.bittorrent),
            most: begun.bittorrent.max(ended.bittorrent),
            dithered: ended.dithered,
        })
    }
}

/// The tables in force when the newest interval ended that is not finished yet, and when it began. An interval is finished one
/// later, under tables that are no longer its own.
#[derive(Debug, Clone, Default)]
struct Held {
    begin: Option<Arc<Allocations>>,
    end: Option<Arc<Allocations>>,
}

impl Held {
    /// An interval ends under `now`: gives the begin and the end of the one before, which is finished.
    fn turn(&mut self, now: &Arc<Allocations>) -> (Arc<Allocations>, Arc<Allocations>) {
        let end = self.end.replace(Arc::clone(now)).unwrap_or_else(|| Arc::clone(now));
        let begin = self.begin.replace(Arc::clone(&end)).unwrap_or_else(|| Arc::clone(&end));
        (begin, end)
    }
}

/// Finished intervals.
#[derive(Debug)]
pub struct History {
    kept: Mutex<VecDeque<Arc<IntervalSamples>>>,
    held: Mutex<Held>,
    newest: watch::Sender<u64>,
    /// Added to the clock's interval numbers: they go on when a restart changes the length of intervals.
    offset: u64,
    /// Intervals up to this one were not watched from their beginning.
    partial: u64,
}

impl History {
    /// No interval is finished. `offset` is added to the numbers of the clock's intervals; `partial` is the last that begins before
    /// now.
    #[must_use]
    pub fn new(offset: u64, partial: u64) -> Self {
        Self { kept: Mutex::default(), held: Mutex::default(), newest: watch::Sender::new(0), offset, partial }
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Tells when there is more.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Kept intervals after `after`, oldest first.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Arc<IntervalSamples>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|samples| samples.interval > after).map(Arc::clone).collect()
    }

    /// Whether an interval is over at `now`.
    #[must_use]
    pub fn is_due(&self, swarms: &Swarms, now: Millis) -> bool {
        swarms.shards().next().is_some_and(|shard| is_over(&shard.open, now))
    }

    /// Ends every interval that is over at `now`, while `allocations` are in force, and finishes the ones before. Returns whether
    /// any was.
    pub fn turn(&self, swarms: &Swarms, allocations: &Arc<Allocations>, now: Millis) -> bool {
        let mut turned = false;
        loop {
            let open = swarms.shards().next().map(|shard| shard.open);
            let Some(open) = open.filter(|open| is_over(open, now)) else { return turned };
            let finished: Vec<_> = swarms.shards().flat_map(|mut shard| shard.turn()).collect();
            turned = true;
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).turn(allocations);
            let Some(number) = open.current().checked_sub(1) else { continue };
            let millis = open.length();
            let sample = |finished| self.sample(finished, number, millis, swarms, &held);
            let mut samples: Vec<Sample> = finished.into_iter().map(sample).collect();
            samples.sort_unstable_by_key(|sample| sample.info_hash);
            // The wall clock may have been set since; only people read it.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let began = super::millis(since).saturating_sub(now.saturating_sub(open.previous().start));
            let interval = self.offset + number + 1;
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            while kept.len() >= KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::new(IntervalSamples { interval, began, millis, samples }));
            drop(kept);
            self.newest.send_replace(interval);
        }
    }

    fn sample(
        &self,
        (info_hash, known, tally): (InfoHash, Option<Known>, Tally),
        number: u64,
        millis: u64,
        swarms: &Swarms,
        (begin, end): &(Arc<Allocations>, Arc<Allocations>),
    ) -> Sample {
        let content = known.map(|known| known.content);
        let allocated = content.and_then(|content| begin.through(end, &content));
        let blank = blank(info_hash, content, end.generation);
        let mut sample = tally.sample(millis, swarms.rules.max_peer_rate, allocated, blank);
        if number <= self.partial {
            sample.flags.push(SampleFlag::Partial);
        }
        sample
    }
}

const fn blank(info_hash: InfoHash, content: Option<ContentId>, generation: u64) -> Sample {
    Sample {
        content,
        info_hash,
        allocated: None,
        bittorrent_bytes: 0,
        http_bytes: 0,
        downloaded_bytes: 0,
        announced_bytes: 0,
        uploaded_bytes: 0,
        left_bytes: 0,
        have_bytes: 0,
        leechers_milli: 0,
        progressing_milli: 0,
        seeders_milli: 0,
        connected_milli: 0,
        reports_expected: 0,
        reports_received: 0,
        generation,
        flags: Vec::new(),
    }
}
