//! Hashing while bytes arrive: what follows on the hashed part is hashed as it is written; what came out of order is read back (from
//! the page cache, most likely) once the hole before it is filled. So little is left to do when the last byte comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use videocloud_protocol::digest::Algorithm;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::Staging;

use super::hashes::{Hashes, Running, Which};
use crate::engine::{Status, stored};
use crate::schedule::{Span, SpanSet};

/// Bytes read back and hashed at a time: large enough to be worth a thread's wake-up, small enough to stay in a cache.
const BLOCK: u64 = 1 << 20;
/// While more is to come, reading back starts only for this many bytes.
const WORTH: u64 = 4 << 20;
/// Batches that may wait for the hash; behind them, bytes are read back instead of kept.
const WAITING: usize = 32;

/// How far a hash is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reach {
    /// Bytes from the first on that it was given: it will get there, whatever else comes or not.
    pub(crate) handed: u64,
    /// Bytes from the first on that are hashed.
    pub(crate) hashed: u64,
}

/// Shows how far a hash is.
pub(crate) type Hashed = watch::Receiver<Reach>;

/// A hash over a growing prefix of the staged bytes.
pub struct Prefix {
    staging: Arc<Staging>,
    which: Which,
    /// Bytes from the start that were handed to the task.
    handed: u64,
    reach: watch::Sender<Reach>,
    task: Option<Task>,
}

struct Task {
    work: mpsc::Sender<Work>,
    running: JoinHandle<Result<Running, Failure>>,
    /// Nobody wants the result any more.
    void: Arc<AtomicBool>,
}

/// The next bytes to hash.
enum Work {
    /// These, one after the other.
    Bytes(Vec<Bytes>),
    /// Those of the staging area from the first to before the second.
    Stored(u64, u64),
}

impl Prefix {
    /// Nothing is hashed yet.
    pub(crate) fn new(staging: Arc<Staging>, which: Which) -> Self {
        Self { staging, which, handed: 0, reach: watch::Sender::default(), task: None }
    }

    /// How far it is, for those who write.
    pub(crate) fn hashed(&self) -> Hashed {
        self.reach.subscribe()
    }

    /// These are needed, too.
    pub(crate) fn also(&mut self, digest: Option<Algorithm>, ed2k: bool) {
        let which = digest.map_or(self.which, |digest| self.which.and(digest));
        let which = if ed2k { which.and_ed2k() } else { which };
        if which != self.which {
            self.which = which;
            self.reset();
        }
    }

    /// These bytes were written at `start`. They are hashed at once if they are next and there is room.
    pub(crate) fn wrote(&mut self, start: u64, pieces: Vec<Bytes>) {
        if start == self.handed {
            let end = start + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
            self.hand(Work::Bytes(pieces), end);
        }
    }

    /// The first `end` bytes are there.
    pub(crate) fn advance(&mut self, end: u64) {
        if end >= self.handed + WORTH {
            self.hand(Work::Stored(self.handed, end), end);
        }
    }

    fn hand(&mut self, work: Work, end: u64) {
        if self.start().work.try_send(work).is_ok() {
            self.handed = end;
            self.reach.send_modify(|reach| reach.handed = end);
        }
    }

    /// `spans` are void: what was hashed of them does not count.
    pub(crate) fn void(&mut self, spans: &SpanSet) {
        if Span::new(0, self.handed).is_some_and(|hashed| !spans.intersect(hashed).is_empty()) {
            self.reset();
        }
    }

    /// Begins again from nothing.
    pub(crate) fn reset(&mut self) {
        if let Some(task) = self.task.take() {
            task.void.store(true, Ordering::Relaxed);
        }
        self.handed = 0;
        // Behind the mark above: what that task still says is not heard.
        self.reach.send_replace(Reach::default());
    }

    /// The hashes of all `size` bytes, all of which are there.
    ///
    /// # Errors
    /// The staging area cannot be read.
    pub(crate) async fn finish(&mut self, size: u64, status: &Status) -> Result<Hashes, Failure> {
        if self.handed > size {
            self.reset();
        }
        let rest = Work::Stored(self.handed, size);
        // A task that ended early says why when it is waited for.
        let _ = self.start().work.send(rest).await;
        let Some(Task { work, running, .. }) = self.task.take() else { return Err(broken(&"no task")) };
        drop(work);
        let ended = running.await;
        self.reset();
        status.verified(size);
        ended.map_err(|error| broken(&error))?.map(Running::finish)
    }

    fn start(&mut self) -> &Task {
        self.task.get_or_insert_with(|| {
            let (work, orders) = mpsc::channel(WAITING);
            let (void, runtime) = (Arc::new(AtomicBool::new(false)), Handle::current());
            let thread = Thread {
                staging: Arc::clone(&self.staging),
                runtime,
                void: Arc::clone(&void),
                reach: self.reach.clone(),
            };
            let running = Running::new(self.which);
            let running = tokio::task::spawn_blocking(move || thread.follow(running, orders));
            Task { work, running, void }
        })
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        self.reset();
    }
}

/// What hashes, on a thread of its own: it ends when nobody hands it any more, or when its result is void.
struct Thread {
    staging: Arc<Staging>,
    runtime: Handle,
    void: Arc<AtomicBool>,
    reach: watch::Sender<Reach>,
}

impl Thread {
    fn follow(&self, mut running: Running, mut orders: mpsc::Receiver<Work>) -> Result<Running, Failure> {
        let (mut buffer, mut at) = (Vec::new(), 0);
        while let Some(work) = orders.blocking_recv() {
            at = match work {
                Work::Bytes(pieces) => {
                    running.update(&pieces);
                    at + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>()
                }
                Work::Stored(start, end) => {
                    self.read_back(&mut running, &mut buffer, start, end)?;
                    end
                }
            };
            if !self.tell(at) {
                break;
            }
        }
        Ok(running)
    }

    /// Says how far it is; false when nobody wants to know.
    fn tell(&self, at: u64) -> bool {
        self.reach.send_if_modified(|reach| {
            let wanted = !self.void.load(Ordering::Relaxed);
            if wanted {
                reach.hashed = at;
            }
            wanted
        })
    }

    fn read_back(&self, running: &mut Running, buffer: &mut Vec<u8>, start: u64, end: u64) -> Result<(), Failure> {
        let mut offset = start;
        while offset < end && self.tell(offset) {
            let length = usize::try_from((end - offset).min(BLOCK)).unwrap_or_default();
            buffer.resize(length, 0);
            if self.staging.read_here(offset, buffer).map_err(|error| stored(&error))? {
                running.update(&[&buffer]);
            } else {
                let block = self.runtime.block_on(self.staging.read_at(offset, length));
                running.update(&[block.map_err(|error| stored(&error))?]);
            }
            offset += length as u64;
        }
        Ok(())
    }
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to hash the content: {error}"))
}
