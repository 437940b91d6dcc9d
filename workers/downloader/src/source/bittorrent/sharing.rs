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

/// What all peers of a download share of what they are given.
pub(super) struct Sharing {
    plan: Arc<Plan>,
    /// `None` where nothing is given away.
    held: Option<Arc<dyn Held>>,
    ours: watch::Sender<Arc<Bits>>,
    choker: Mutex<Choker>,
    uploaded: Arc<AtomicU64>,
}

impl Sharing {
    /// Nothing is there yet. `uploaded` counts what is given, bytes.
    pub(super) fn new(plan: Arc<Plan>, held: Option<Arc<dyn Held>>, uploaded: Arc<AtomicU64>) -> Self {
        let count = u32::try_from(plan.info().pieces()).unwrap_or(u32::MAX);
        let ours = watch::Sender::new(Arc::new(Bits::none(count)));
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
        let mut bits = Bits::clone(&self.ours.borrow());
        let whole = |piece: &Piece| self.is_whole(piece) && spans.covers(piece.content);
        let there: Vec<u32> =
            self.plan.pieces().filter(|index| self.plan.piece(*index).is_some_and(|p| whole(&p))).collect();
        there.into_iter().for_each(|index| drop(bits.set(index, true)));
        self.ours.send_if_modified(|before| {
            let news = **before != bits;
            if news {
                *before = Arc::new(bits);
            }
            news
        });
    }

    /// The pieces that can be given, now and whenever that changes.
    pub(super) fn ours(&self) -> watch::Receiver<Arc<Bits>> {
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
