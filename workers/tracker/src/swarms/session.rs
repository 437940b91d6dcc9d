//! One session of a peer: what it reported, and what of it falls into which interval. Pure.
//!
//! A session is (swarm, peer id, key), over whatever protocol and address family. A counter that drops begins a new one. The
//! delta of two reports is spread over the time between them. Where a report is missing when an interval is finished, the last
//! rate is lent for the missing time, once; the report that comes late pays it back.

use serde::{Deserialize, Serialize};

use super::{
    announce::Announce,
    interval::{Millis, Open},
    tally::Tallies,
};

/// What bounds the belief in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Belief {
    /// Most bytes per second one peer can move.
    pub max_peer_rate: u64,
    /// Size of the content, if it is known.
    pub size: Option<u64>,
    /// Nobody can reach it: it seeds nothing that others could ask for.
    pub hidden: bool,
}

/// The reporting fields of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    uploaded: u64,
    downloaded: u64,
    left: u64,
    /// When it reported last.
    at: Millis,
    /// Up to when it is accounted for, by reports or on credit.
    covered: Millis,
    /// Accounted for on credit since `at`.
    lent: Counters,
    /// Between the last two reports.
    last: Counters,
    /// Time between the last two reports; 0 before the second.
    last_span: u32,
    /// A report is missing, and its time was accounted for on credit.
    repeated: bool,
}

/// Differences of counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    downloaded: u64,
    uploaded: u64,
    left: u64,
}

impl Counters {
    fn each(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            downloaded: combine(self.downloaded, other.downloaded),
            uploaded: combine(self.uploaded, other.uploaded),
            left: combine(self.left, other.left),
        }
    }

    fn map(self, change: impl Fn(u64) -> u64) -> Self {
        self.each(self, |value, _| change(value))
    }
}

impl Session {
    /// A session that begins with this report: its counters are where later ones start from, and earn nothing.
    #[must_use]
    pub(super) fn begin(report: &Announce, now: Millis) -> Self {
        Self {
            uploaded: report.uploaded,
            downloaded: report.downloaded,
            left: report.left,
            at: now,
            covered: now,
            lent: Counters::default(),
            last: Counters::default(),
            last_span: 0,
            repeated: false,
        }
    }

    /// Whether the peer lacked nothing when it reported last.
    #[must_use]
    pub(super) const fn is_seeder(&self) -> bool {
        self.left == 0
    }

    /// Takes a report. A counter that dropped makes it the first of a new session.
    pub(super) fn report(
        &mut self,
        report: &Announce,
        now: Millis,
        belief: Belief,
        open: &Open,
        tallies: &mut Tallies,
    ) {
        if report.uploaded < self.uploaded || report.downloaded < self.downloaded {
            *self = Self::begin(report, now);
            return;
        }
        let span = now.saturating_sub(self.at);
        let delta = self.delta(report, span, belief, tallies);
        let due = delta.each(self.lent, u64::saturating_sub);
        self.account(due, now, (delta.downloaded > 0, belief.hidden), open, tallies);
        let last_span = u32::try_from(span).unwrap_or(u32::MAX);
        // Two reports of one moment (HTTP and UDP, IPv4 and IPv6) say nothing of a rate.
        let keep = span < 1000 && self.last_span > 0;
        let (last, last_span) = if keep { (self.last, self.last_span) } else { (delta, last_span) };
        *self = Self { last, last_span, ..Self::begin(report, now) };
    }

    /// The interval that ends at `end` is finished: counts whether the session's report of it came, and if not lends, once.
    pub(super) fn finish(&mut self, end: Millis, open: &Open, hidden: bool, tallies: &mut Tallies) {
        if self.at >= end {
            // One whose first report came after the end was not there.
            let there = u32::from(self.at - u64::from(self.last_span).min(self.at) < end);
            tallies.previous().reports(there, there);
            return;
        }
        tallies.previous().reports(1, 0);
        if self.repeated || self.last_span == 0 || self.covered >= end {
            return;
        }
        let span = u64::from(self.last_span);
        let gap = (end - self.covered).min(span);
        let rate = |bytes: u64| u64::try_from(u128::from(bytes) * u128::from(gap) / u128::from(span));
        let lent = self.last.map(|bytes| rate(bytes).unwrap_or(u64::MAX));
        let until = self.covered + gap;
        self.account(lent, until, (lent.downloaded > 0, hidden), open, tallies);
        tallies.previous().repeated(lent.downloaded);
        self.lent = self.lent.each(lent, u64::saturating_add);
        self.covered = until;
        self.repeated = true;
    }

    /// What this report says beyond the last one, within belief.
    fn delta(&self, report: &Announce, span: Millis, belief: Belief, tallies: &mut Tallies) -> Counters {
        // A second on top: clocks of peers and ours do not tick together.
        let most = u128::from(belief.max_peer_rate) * u128::from(span + 1000) / 1000;
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let size = belief.size.unwrap_or(u64::MAX);
        // Who has only a magnet link does not know yet how much it lacks.
        let before = if self.left > size || self.last_span == 0 && report.left > self.left { size } else { self.left };
        let said = Counters {
            downloaded: report.downloaded - self.downloaded,
            uploaded: report.uploaded - self.uploaded,
            left: if before == u64::MAX { 0 } else { before.saturating_sub(report.left) },
        };
        let believed = said.map(|bytes| bytes.min(most));
        if believed.downloaded < said.downloaded || believed.uploaded < said.uploaded {
            tallies.limited();
        }
        believed
    }

    /// Divides what came about since the session was accounted for last.
    fn account(
        &self,
        due: Counters,
        until: Millis,
        (progress, hidden): (bool, bool),
        open: &Open,
        tallies: &mut Tallies,
    ) {
        let span = self.covered..until;
        let time = until.saturating_sub(self.covered);
        let divide = |amount| open.divide(amount, span.clone());
        let (leech, seed) = match (self.is_seeder(), hidden) {
            (true, true) => (0, 0),
            (true, false) => (0, time),
            (false, _) => (time, 0),
        };
        tallies.bytes(divide(due.downloaded), divide(due.uploaded), divide(due.left));
        tallies.presence(divide(leech), divide(if progress { leech } else { 0 }), divide(seed));
    }
}
