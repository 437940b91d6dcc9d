//! Queues of objects to look at again: deduplicating, so bounded by the number of objects, and closed until this replica leads.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::Stream;
use tokio::sync::Notify;

use super::Named;

/// Names an empty queue keeps room for.
const LASTING: usize = 256;

/// A queue of names, each at most once.
#[derive(Debug, Default)]
pub struct WakeQueue {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    open: bool,
    waiting: HashSet<Named>,
    order: VecDeque<Named>,
}

impl WakeQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to keep what is pushed. Before, pushes are dropped: whoever opens the queue looks at every object once anyway.
    pub fn open(&self) {
        self.lock().open = true;
    }

    /// Adds `name` unless it waits already.
    pub fn push(&self, name: &Named) {
        let mut inner = self.lock();
        if inner.open && inner.waiting.insert(name.clone()) {
            inner.order.push_back(name.clone());
            drop(inner);
            self.filled.notify_one();
        }
    }

    /// Names that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn pop(&self) -> Option<Named> {
        let mut inner = self.lock();
        let name = inner.order.pop_front()?;
        inner.waiting.remove(&name);
        // A start looks at every object once; the room that took is not needed again.
        if inner.order.is_empty() && inner.order.capacity() > LASTING {
            inner.order.shrink_to(LASTING);
            inner.waiting.shrink_to(LASTING);
        }
        Some(name)
    }

    /// The names, first in first out, for ever. One consumer.
    pub fn stream(&self) -> impl Stream<Item = Named> + '_ {
        futures::stream::unfold(self, |queue| async move {
            loop {
                let filled = queue.filled.notified();
                if let Some(name) = queue.pop() {
                    return Some((name, queue));
                }
                filled.await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn each_name_waits_once_and_nothing_waits_before_opening() {
        let queue = WakeQueue::default();
        let (a, b) = (Named::new("n", "a"), Named::new("n", "b"));
        queue.push(&a);
        assert!(queue.is_empty());
        queue.open();
        for name in [&a, &b, &a, &b] {
            queue.push(name);
        }
        let names: Vec<Named> = queue.stream().take(2).collect().await;
        assert_eq!(names, [a.clone(), b]);
        queue.push(&a);
        assert_eq!(queue.stream().take(1).collect::<Vec<_>>().await, [a]);
    }
}
