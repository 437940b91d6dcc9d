//! What the peers of a torrent are given of what is there: proven pieces that lie in the file from end to end, read from where the
//! engine keeps them, at its rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::bits::Bits;
use super::choker::Choker;
use super::message::Block;
use crate::discover::Held;
use crate::schedule::SpanSet;
use crate::torrent::{Piece, Plan};

/// The pieces that can be given.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) bits: Bits,
    /// Their numbers, in the order in which they came.
    pub(super) order: Vec<u32>,
    /// The bytes of the file that were there.
    spans: SpanSet,
}

/// What all peers of a download share of what they are given.
pub(super) struct Sharing {
    plan: Arc<Plan>,
    /// `None` where nothing is given away.
    held: Option<Arc<dyn Held>>,
    ours: watch::Sender<Arc<Ours>>,
    choker: Mutex<Choker>,
    uploaded: Arc<AtomicU64>,
}

impl Sharing {
    /// Nothing is there yet. `uploaded` counts what is given, bytes.
    pub(super) fn new(plan: Arc<Plan>, held: Option<Arc<dyn Held>>, uploaded: Arc<AtomicU64>) -> Self {
        let count = u32::try_from(plan.info().pieces()).unwrap_or(u32::MAX);
        let ours = Ours { bits: Bits::none(count), order: Vec::new(), spans: SpanSet::default() };
        let ours = watch::Sender::new(Arc::new(ours));
        Self { plan, held, ours, choker: Mutex::default(), uploaded }
    }

    /// Whether anything is given to anybody.
    pub(super) const fn is_open(&self) -> bool {
        self.held.is_some()
    }

    /// These bytes of the file are there and proven.
    pub(super) fn holds(&self, spans: &SpanSet) {
        if self.held.is_none() {
            return;
        }
        let before = Arc::clone(&self.ours.borrow());
        let mut fresh = spans.clone();
        before.spans.iter().for_each(|span| fresh.remove(span));
        let touched =
            fresh.iter().flat_map(|span| self.plan.pieces_of(span)).filter_map(|index| self.plan.piece(index));
        let whole = touched.filter(|piece| self.is_whole(piece) && spans.covers(piece.content));
        let (mut bits, mut order) = (before.bits.clone(), before.order.clone());
        for Piece { index, .. } in whole {
            if !bits.has(index) && bits.set(index, true) {
                order.push(index);
            }
        }
        self.ours.send_replace(Arc::new(Ours { bits, order, spans: spans.clone() }));
    }

    /// The pieces that can be given, now and whenever that changes.
    pub(super) fn ours(&self) -> watch::Receiver<Arc<Ours>> {
        self.ours.subscribe()
    }

    /// Who may be given something.
    pub(super) fn choker(&self) -> MutexGuard<'_, Choker> {
        self.choker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a block; `None` when they cannot be had.
    pub(super) async fn read(&self, block: Block) -> Option<Bytes> {
        let held = self.held.as_ref()?;
        let piece = self.plan.piece(block.index).filter(|piece| self.is_whole(piece))?;
        let at = piece.content.start() + u64::from(block.begin);
        match held.read(at, block.length as usize).await {
            Ok(bytes) => {
                self.uploaded.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Some(bytes)
            }
            Err(error) => {
                tracing::debug!(%error, "a block cannot be given");
                None
            }
        }
    }

    /// Whether all of a piece lies in the file.
    fn is_whole(&self, piece: &Piece) -> bool {
        piece.content.len() == self.plan.info().length_of(piece.index.into())
    }
}
