//! One peer: what it has, whom it knows, what it is getting.

use super::scenario::MAX_PIECES;

const WORDS: usize = MAX_PIECES / 64;

/// A set of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PieceSet([u64; WORDS]);

impl PieceSet {
    pub(super) fn first(count: usize) -> Self {
        let mut set = Self::default();
        (0..count).for_each(|piece| set.insert(piece as u16));
        set
    }

    pub(super) fn insert(&mut self, piece: u16) {
        self.0[usize::from(piece) / 64] |= 1 << (piece % 64);
    }

    pub(super) fn remove(&mut self, piece: u16) {
        self.0[usize::from(piece) / 64] &= !(1 << (piece % 64));
    }

    pub(super) fn has(&self, piece: u16) -> bool {
        self.0[usize::from(piece) / 64] >> (piece % 64) & 1 == 1
    }

    /// Whether it has a piece the other has not.
    pub(super) fn offers(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| mine & !theirs != 0)
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        let mut set = *self;
        set.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine &= !theirs);
        set
    }

    /// Calls `visit` with every piece, ascending. A closure and not an iterator: a nested iterator keeps the innermost loop of
    /// the simulation from being unrolled.
    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(u16)) {
        for (word, &bits) in self.0.iter().enumerate() {
            let mut rest = bits;
            while rest != 0 {
                visit(word as u16 * 64 + rest.trailing_zeros() as u16);
                rest &= rest - 1;
            }
        }
    }
}

/// A piece that is being fetched; its blocks may come from several peers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) piece: u16,
    /// Bytes that are missing.
    pub(super) left: f64,
    /// Flows that work on it.
    pub(super) flows: u16,
}

/// Somebody a peer knows, and what came from there lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbour {
    pub(super) slot: u32,
    pub(super) credit: f64,
}

/// Who arrives: drawn before anything happens, so that every arm sees the same viewers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: f64,
    /// Bytes per second.
    pub(super) upload: f64,
    /// Seconds as a seed; 0 leaves at once.
    pub(super) linger: f64,
    /// Hungry seconds until giving up.
    pub(super) patience: f64,
    /// Whether the verdict counts this viewer.
    pub(super) counted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) arrival: Arrival,
    pub(super) alive: bool,
    /// When the seed leaves; infinite while it leeches.
    pub(super) leaves: f64,
    pub(super) have: PieceSet,
    pub(super) pending: PieceSet,
    pub(super) held: u16,
    pub(super) parts: Vec<Part>,
    pub(super) neighbours: Vec<Neighbour>,
    /// Whom it uploads to.
    pub(super) serving: Vec<u32>,
    /// Whether the cloud uploads to it.
    pub(super) by_cloud: bool,
    pub(super) optimistic: Option<u32>,
    /// Rates of the present tick: promised in, unused out, and flows that could take it.
    pub(super) inflow: f64,
    pub(super) spare: f64,
    pub(super) open: u32,
    pub(super) bytes: f64,
    pub(super) in_time: f64,
    /// Bytes at the end of the last round.
    pub(super) before: f64,
    pub(super) hungry: f64,
}

impl Peer {
    pub(super) fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            alive: true,
            leaves: f64::INFINITY,
            have: PieceSet::default(),
            pending: PieceSet::default(),
            held: 0,
            parts: Vec::new(),
            neighbours: Vec::new(),
            serving: Vec::new(),
            by_cloud: false,
            optimistic: None,
            inflow: 0.0,
            spare: 0.0,
            open: 0,
            bytes: 0.0,
            in_time: 0.0,
            before: 0.0,
            hungry: 0.0,
        }
    }

    pub(super) fn leeches(&self) -> bool {
        self.alive && self.leaves == f64::INFINITY
    }

    /// Mean rate since arrival, bytes per second.
    pub(super) fn mean_rate(&self, now: f64) -> f64 {
        self.bytes / (now - self.arrival.at).max(1.0)
    }
}
