//! A bounded cache of answers: fresh for a while, then asked for again behind the back of whoever uses them, and kept in use
//! when nobody answers. However many ask for one thing at a time, it is fetched once.

use std::{
    future::Future,
    hash::Hash,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use tokio::sync::Mutex as Turn;
use tokio_util::task::TaskTracker;

/// How long answers are good.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Answers kept.
    pub entries: NonZeroUsize,
    /// Younger answers are used without asking.
    pub fresh: Duration,
    /// Older ones are not used before asking again, unless asking fails.
    pub stale: Duration,
    /// How long "there is none" is believed.
    pub absent: Duration,
}

/// Nothing is known, and whoever could tell did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(Arc<str>);

/// The cache.
#[derive(Debug)]
pub struct Shelf<K: Hash + Eq, V> {
    terms: Terms,
    slots: Mutex<LruCache<K, Arc<Slot<V>>>>,
    refreshes: TaskTracker,
}

#[derive(Debug)]
struct Slot<V> {
    state: Mutex<State<V>>,
    fetching: Turn<()>,
}

#[derive(Debug)]
struct State<V> {
    /// `None`: never answered. `Some(None)`: there is none.
    answer: Option<Option<Arc<V>>>,
    answered: Instant,
    /// When asking last failed, if it did since the last answer.
    failed: Option<(Instant, Unavailable)>,
}

impl<V> State<V> {
    fn failed_within(&self, time: Duration) -> Option<&Unavailable> {
        self.failed.as_ref().filter(|(at, _)| at.elapsed() < time).map(|(_, error)| error)
    }
}

/// What a slot says without asking.
enum Known<V> {
    /// Use it.
    Fresh(Option<Arc<V>>),
    /// Use it, and ask again.
    Stale(Option<Arc<V>>),
    /// Ask first.
    Unknown,
}

impl<K: Hash + Eq + Clone + Send + 'static, V: Send + Sync + 'static> Shelf<K, V> {
    /// An empty shelf.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, slots: Mutex::new(LruCache::new(terms.entries)), refreshes: TaskTracker::new() }
    }

    /// The answer for `key`: the one known, or that of `fetch`.
    ///
    /// # Errors
    /// [`Unavailable`] with the error of `fetch`, when nothing was known before.
    pub async fn get<E, F>(&self, key: &K, fetch: impl FnOnce() -> F) -> Result<Option<Arc<V>>, Unavailable>
    where
        E: std::fmt::Display + Send + 'static,
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let slot = self.slot(key);
        match slot.known(&self.terms) {
            Known::Fresh(answer) => Ok(answer),
            Known::Stale(answer) => {
                if slot.fetching.try_lock().is_ok() {
                    let (slot, terms, asked) = (Arc::clone(&slot), self.terms, fetch());
                    self.refreshes.spawn(async move {
                        // Whoever fails keeps what was known: nobody waits for this.
                        drop(slot.ask(&terms, asked).await);
                    });
                }
                Ok(answer)
            }
            Known::Unknown => slot.ask(&self.terms, fetch()).await,
        }
    }

    /// Forgets what is known of `key`.
    pub fn forget(&self, key: &K) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).pop(key);
    }

    /// Waits for refreshes under way. No more are to be asked for.
    pub async fn close(&self) {
        self.refreshes.close();
        self.refreshes.wait().await;
    }

    fn slot(&self, key: &K) -> Arc<Slot<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        let state = State { answer: None, answered: Instant::now(), failed: None };
        let slot = Arc::new(Slot { state: Mutex::new(state), fetching: Turn::new(()) });
        slots.put(key.clone(), Arc::clone(&slot));
        slot
    }
}

impl<V> Slot<V> {
    fn with<T>(&self, f: impl FnOnce(&mut State<V>) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, terms: &Terms) -> Known<V> {
        self.with(|state| {
            let Some(answer) = &state.answer else { return Known::Unknown };
            let age = state.answered.elapsed();
            let fresh = if answer.is_some() { terms.fresh } else { terms.absent };
            // Right after a failure there is no sense in asking again.
            if age < fresh || state.failed_within(terms.fresh).is_some() {
                return Known::Fresh(answer.clone());
            }
            // While asking fails, what is known is used however old it is.
            if answer.is_some() && (age < terms.stale || state.failed.is_some()) {
                return Known::Stale(answer.clone());
            }
            Known::Unknown
        })
    }

    /// Asks, once for all who wait.
    async fn ask<E, F>(&self, terms: &Terms, asked: F) -> Result<Option<Arc<V>>, Unavailable>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<Option<V>, E>>,
    {
        let _turn = self.fetching.lock().await;
        if let Known::Fresh(answer) = self.known(terms) {
            return Ok(answer);
        }
        // Those who waited for a failure share it, or they would wait for one after the other.
        if let Some(error) = self.with(|state| state.failed_within(terms.fresh).cloned()) {
            return Err(error);
        }
        match asked.await {
            Ok(answer) => {
                let answer = answer.map(Arc::new);
                self.with(|state| {
                    *state = State { answer: Some(answer.clone()), answered: Instant::now(), failed: None };
                });
                Ok(answer)
            }
            Err(error) => self.with(|state| {
                let error = Unavailable(error.to_string().into());
                state.failed = Some((Instant::now(), error.clone()));
                match &state.answer {
                    Some(answer) => {
                        tracing::warn!(%error, "serving what was known before");
                        Ok(answer.clone())
                    }
                    None => Err(error),
                }
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const TERMS: Terms = Terms {
        entries: NonZeroUsize::MIN,
        fresh: Duration::ZERO,
        stale: Duration::ZERO,
        absent: Duration::from_secs(3600),
    };

    #[tokio::test]
    async fn many_ask_once_and_one_entry_is_kept() {
        let shelf = Shelf::<u8, u8>::new(Terms { fresh: Duration::from_secs(3600), ..TERMS });
        let fetched = Arc::new(AtomicU32::new(0));
        let fetch = |value| {
            let fetched = Arc::clone(&fetched);
            move || async move {
                fetched.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, String>(Some(value))
            }
        };
        let all = futures::future::join_all((0..10).map(|_| shelf.get(&1, fetch(5)))).await;
        assert!(all.into_iter().all(|answer| answer.unwrap().as_deref() == Some(&5)));
        assert_eq!(fetched.load(Ordering::Relaxed), 1);
        shelf.get(&2, fetch(6)).await.unwrap();
        shelf.get(&1, fetch(7)).await.unwrap();
        assert_eq!(fetched.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_failure_keeps_what_was_known_and_an_answer_replaces_it() {
        let shelf = Shelf::<u8, u8>::new(TERMS);
        let fail = || async { Err::<Option<u8>, _>("down") };
        assert_eq!(shelf.get(&1, fail).await, Err(Unavailable("down".into())));
        assert_eq!(shelf.get(&1, || async { Ok::<_, &str>(Some(5)) }).await.unwrap().as_deref(), Some(&5));
        assert_eq!(shelf.get(&1, fail).await.unwrap().as_deref(), Some(&5));
        // Known to be failing: answered at once, refreshed behind it.
        assert_eq!(shelf.get(&1, || async { Ok::<_, &str>(None) }).await.unwrap().as_deref(), Some(&5));
        shelf.close().await;
        assert_eq!(shelf.get(&1, fail).await.unwrap(), None);
    }
}
