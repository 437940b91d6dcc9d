//! What goes into the scheduler and what comes out.

use std::time::Duration;

use super::span::{Span, SpanSet};

/// A source of this download, numbered by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// One connection to one source; numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// What the scheduler has to know of a source before the first request.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Key of the host, shared by sources that lead to one server: back-off and connection limits count per host.
    pub host: String,
    /// Lower is asked first while nothing has been measured.
    pub priority: u32,
    /// Connections this source allows, at least 1.
    pub lanes: usize,
    /// Most bytes it is asked for at once, if it wants that bounded.
    pub longest: Option<u64>,
    /// What it can give; `None` is everything.
    pub holds: Option<SpanSet>,
    /// It gives only bytes that it has verified itself, piece by piece: nothing else has to prove that it does not lie, and what is
    /// asked of a piece comes when it has all of that piece.
    pub verified: bool,
}

/// Whether a source may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May be asked now.
    Active,
    /// Known, but the trust rules do not let its bytes in at present.
    Standby,
    /// Never to be asked again.
    Dropped,
}

/// Why a lane did not deliver what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It will never work: 404, 403, forbidden address, wrong kind of content.
    Gone,
    /// It may work later: refused or reset connection, early end, 5xx.
    Transient,
    /// The server asked for fewer requests; `after` is its `Retry-After`.
    Throttled {
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    /// The server answers ranges with the whole body.
    NoRanges,
    /// No byte came for the idle time.
    Stalled,
}

/// What happened outside.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A lane's request was answered. `size` is the content's length in bytes when the answer says so.
    Opened {
        /// The lane.
        lane: LaneId,
        /// Length of the whole content in bytes.
        size: Option<u64>,
        /// Whether the source serves byte ranges.
        ranges: bool,
    },
    /// The lane's request is held back here, by a limit on requests: its source is not silent.
    Waiting {
        /// The lane.
        lane: LaneId,
    },
    /// The next `bytes` bytes of the lane's span are written.
    Received {
        /// The lane.
        lane: LaneId,
        /// How many bytes, following those before.
        bytes: u64,
    },
    /// The lane has nothing more to deliver: its span is complete, or the content of unknown length ended.
    Finished {
        /// The lane.
        lane: LaneId,
    },
    /// The lane stopped before its span was complete.
    Failed {
        /// The lane.
        lane: LaneId,
        /// Why.
        fault: Fault,
    },
}

/// What the caller has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fetch `span` on `lane`: a lane not seen before is a new connection to `source`, another is one kept open. An end of
    /// `u64::MAX` means to the end of the content.
    Fetch {
        /// The lane.
        lane: LaneId,
        /// Its source.
        source: SourceId,
        /// What to fetch.
        span: Span,
    },
    /// The lane's span now ends at `end`: nothing at or behind it may be written any more once this is carried out. The end moves
    /// down when a tail is taken over, and up only for a source without ranges, whose answer is the whole content anyway.
    Bound {
        /// The lane.
        lane: LaneId,
        /// New end of its span.
        end: u64,
    },
    /// Stop the lane and close its connection; nothing may be written any more once this is carried out.
    Cancel {
        /// The lane.
        lane: LaneId,
    },
    /// As [`Action::Cancel`], because the lane was silent for the idle time: its source is to blame.
    Expire {
        /// The lane.
        lane: LaneId,
    },
}
