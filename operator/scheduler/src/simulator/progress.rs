//! How far a long simulation is, told to whoever shows it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts finished steps and tells a listener; steps finish on several threads.
pub struct Progress<'a> {
    done: AtomicUsize,
    total: AtomicUsize,
    listener: &'a (dyn Fn(usize, usize) + Sync),
}

impl<'a> Progress<'a> {
    /// `listener` gets the finished and the expected steps after each one.
    #[must_use]
    pub fn new(listener: &'a (dyn Fn(usize, usize) + Sync)) -> Self {
        Self { done: AtomicUsize::new(0), total: AtomicUsize::new(0), listener }
    }

    /// Nobody listens.
    #[must_use]
    pub fn silent() -> Progress<'static> {
        Progress::new(&|_, _| ())
    }

    /// So many more steps are expected.
    pub(crate) fn expect(&self, steps: usize) {
        self.total.fetch_add(steps, Ordering::Relaxed);
    }

    /// One step is finished.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.listener)(done, self.total.load(Ordering::Relaxed).max(done));
    }
}
