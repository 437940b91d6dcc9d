//! Hashing while bytes arrive: the part of the content that is there without a hole is read back (from the page cache, it has just
//! been written) and hashed as it grows, so that little is left to do when the last byte comes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use videocloud_protocol::digest::Algorithm;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::Staging;

use super::hashes::{Hashes, Running, Which};
use crate::engine::{Status, stored};
use crate::schedule::{Span, SpanSet};

/// Bytes read and hashed at a time: large enough to be worth a thread's wake-up, small enough to stay in a cache.
const BLOCK: u64 = 1 << 20;
/// While more is to come, reading starts only for this many bytes.
const WORTH: u64 = 4 << 20;

/// A hash over a growing prefix of the staged bytes.
pub struct Prefix {
    staging: Arc<Staging>,
    which: Which,
    limit: watch::Sender<Limit>,
    task: Option<JoinHandle<Result<Running, Failure>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    /// Bytes from the start that are there.
    end: u64,
    /// Whether that is all.
    last: bool,
}

impl Prefix {
    /// Nothing is hashed yet.
    pub(crate) fn new(staging: Arc<Staging>, which: Which) -> Self {
        Self { staging, which, limit: watch::Sender::new(Limit::default()), task: None }
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

    /// The first `end` bytes are there.
    pub(crate) fn advance(&mut self, end: u64) {
        if end < self.limit.borrow().end + WORTH {
            return;
        }
        self.limit.send_modify(|limit| limit.end = end);
        self.start();
    }

    /// `spans` are void: what was hashed of them does not count.
    pub(crate) fn void(&mut self, spans: &SpanSet) {
        let end = self.limit.borrow().end;
        if Span::new(0, end).is_some_and(|hashed| !spans.intersect(hashed).is_empty()) {
            self.reset();
        }
    }

    /// Begins again from nothing.
    pub(crate) fn reset(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.limit = watch::Sender::new(Limit::default());
    }

    /// The hashes of all `size` bytes, all of which are there.
    ///
    /// # Errors
    /// The staging area cannot be read.
    pub(crate) async fn finish(&mut self, size: u64, status: &Status) -> Result<Hashes, Failure> {
        if self.limit.borrow().end > size {
            self.reset();
        }
        self.limit.send_modify(|limit| *limit = Limit { end: size, last: true });
        self.start();
        let Some(mut task) = self.task.take() else { return Err(broken(&"no task")) };
        let running = (&mut task).await;
        self.reset();
        status.verified(size);
        running.map_err(|error| broken(&error))?.map(Running::finish)
    }

    fn start(&mut self) {
        if self.task.is_none() {
            let running = Running::new(self.which);
            self.task = Some(tokio::spawn(follow(Arc::clone(&self.staging), running, self.limit.subscribe())));
        }
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        self.reset();
    }
}

async fn follow(
    staging: Arc<Staging>,
    mut running: Running,
    mut limit: watch::Receiver<Limit>,
) -> Result<Running, Failure> {
    let mut offset = 0;
    loop {
        let Limit { end, last } = *limit.borrow_and_update();
        while offset < end {
            let length = usize::try_from((end - offset).min(BLOCK)).unwrap_or_default();
            let block = staging.read_at(offset, length).await.map_err(|error| stored(&error))?;
            offset += length as u64;
            running = running.update(block).await.map_err(|error| broken(&error))?;
        }
        if last {
            return Ok(running);
        }
        if limit.changed().await.is_err() {
            return Err(broken(&"nobody waits for it"));
        }
    }
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to hash the content: {error}"))
}
