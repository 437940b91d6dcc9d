//! Drives a controller: one pass at a time per object, so many side by side, errors with back-off, every pass measured.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    future::Future,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Error, Pass, World, backoff::Backoff};
use crate::{
    index::{Cache, Named, WakeQueue},
    metrics::{Controller, Outcome},
};

/// Objects to look at again at some time although nothing wakes them, each at most once: the earliest time counts.
#[derive(Debug, Default)]
struct Later {
    order: BTreeSet<(Instant, Named)>,
    times: HashMap<Named, Instant>,
}

impl Later {
    fn put(&mut self, name: Named, at: Instant) {
        if self.times.get(&name).is_none_or(|known| at < *known) {
            self.drop(&name);
            self.order.insert((at, name.clone()));
            self.times.insert(name, at);
        }
    }

    fn drop(&mut self, name: &Named) {
        if let Some((name, at)) = self.times.remove_entry(name) {
            self.order.remove(&(at, name));
        }
    }

    fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    fn pop(&mut self) -> Option<Named> {
        let (_, name) = self.order.pop_first()?;
        self.times.remove(&name);
        Some(name)
    }
}

/// Runs passes over the objects of `cache` that `queue` names, beginning with all of them, until `stop`. A pass that is under
/// way is finished.
pub async fn run<K, F>(
    controller: Controller,
    world: Arc<World>,
    cache: &Cache<K>,
    queue: &WakeQueue,
    pass: impl Fn(Arc<K>, Arc<World>) -> F,
    stop: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Debug,
    F: Future<Output = Result<Pass, Error>>,
{
    queue.open();
    for name in cache.names(None) {
        queue.push(&name);
    }
    let most = usize::from(world.settings.control.concurrency);
    let backoff = Backoff::default();
    let mut names = std::pin::pin!(queue.stream());
    let mut running = FuturesUnordered::new();
    // Objects under way, and whether they were woken meanwhile.
    let mut busy: HashMap<Named, bool> = HashMap::new();
    let mut later = Later::default();
    let look = async |name: Named| {
        let Some(object) = cache.get(&name) else { return (name, None) };
        let started = Instant::now();
        let uid = object.meta().uid.clone().unwrap_or_default();
        let result = pass(object, Arc::clone(&world)).await;
        let outcome = match &result {
            Ok(Pass { changed: false, .. }) => Outcome::Unchanged,
            Ok(Pass { changed: true, .. }) => Outcome::Changed,
            Err(_) => Outcome::Error,
        };
        world.metrics.pass(controller, outcome, started.elapsed());
        let again: Option<Duration> = match result {
            Ok(pass) => {
                backoff.succeeded(&uid);
                pass.again
            }
            Err(error) => {
                let delay = backoff.failed(&uid);
                tracing::warn!(kind = %K::kind(&()), object = %name, %error, ?delay, "pass failed, trying again");
                Some(delay)
            }
        };
        (name, again)
    };
    loop {
        let due = later.next();
        let wait = async { if let Some(at) = due { sleep_until(at).await } else { std::future::pending().await } };
        tokio::select! {
            () = stop.cancelled() => break,
            Some((name, again)) = running.next(), if !running.is_empty() => {
                if busy.remove(&name) == Some(true) {
                    queue.push(&name);
                }
                if let Some(delay) = again {
                    later.put(name, Instant::now() + delay);
                }
            }
            Some(name) = names.next(), if running.len() < most => {
                if let Some(woken) = busy.get_mut(&name) {
                    *woken = true;
                } else {
                    later.drop(&name);
                    busy.insert(name.clone(), false);
                    running.push(look(name));
                }
            }
            () = wait => {
                if let Some(name) = later.pop() {
                    queue.push(&name);
                }
            }
        }
    }
    while running.next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earliest_time_counts_and_a_drop_forgets() {
        let (mut later, now) = (Later::default(), Instant::now());
        let (a, b) = (Named::new("n", "a"), Named::new("n", "b"));
        let at = |seconds| now + Duration::from_secs(seconds);
        later.put(a.clone(), at(5));
        later.put(a.clone(), at(9));
        later.put(b.clone(), at(7));
        assert_eq!(later.next(), Some(at(5)));
        later.put(b.clone(), at(1));
        assert_eq!(later.pop(), Some(b));
        later.drop(&a);
        assert_eq!((later.next(), later.pop()), (None, None));
    }
}
