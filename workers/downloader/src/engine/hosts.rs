//! What a download may ask of each host, and what it has taken of that.
//!
//! Alone, a download has all that its order allows. Where others ask the same hosts, it has a share of each that somebody else
//! tells it ([`Hosts::tell`]): no connection is opened before. Clones are the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use videocloud_protocol::tracker::HostShare;

use super::throttle::{HostThrottle, Throttle};

/// See the module documentation.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// What this download may ask of any host, whatever its share is.
    own: HostShare,
    shared: bool,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: Mutex<HashMap<String, Known>>,
    /// Hosts the download wants to ask.
    wanted: watch::Sender<BTreeSet<String>>,
    /// Counts changes of shares.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    share: Option<HostShare>,
    throttle: Arc<HostThrottle>,
}

impl Hosts {
    /// All of `own` is this download's, at each host.
    #[must_use]
    pub fn alone(own: HostShare) -> Self {
        Self::new(own, false)
    }

    /// At most `own` at each host, and nothing before a share is told.
    #[must_use]
    pub fn shared(own: HostShare) -> Self {
        Self::new(own, true)
    }

    fn new(own: HostShare, shared: bool) -> Self {
        let (wanted, changes) = (watch::Sender::new(BTreeSet::new()), watch::Sender::new(0));
        Self { own, shared, inner: Arc::new(Inner { known: Mutex::new(HashMap::new()), wanted, changes }) }
    }

    /// What it may ask of any host, whatever its share is.
    #[must_use]
    pub const fn own(&self) -> HostShare {
        self.own
    }

    /// Hosts the download wants to ask, and every change of them.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<BTreeSet<String>> {
        self.inner.wanted.subscribe()
    }

    /// What it was told of `host`.
    #[must_use]
    pub fn share(&self, host: &str) -> Option<HostShare> {
        self.known().get(host).and_then(|known| known.share)
    }

    /// From now on this is its share of `host`; `None` is nothing.
    pub fn tell(&self, host: &str, share: Option<HostShare>) {
        let mut known = self.known();
        let known = known.entry(host.to_owned()).or_insert_with(|| self.unknown());
        if known.share == share {
            return;
        }
        known.share = share;
        let rates = share.map_or(self.own, |share| share.min(self.own));
        known.throttle.bytes.set(rates.bytes_per_second);
        known.throttle.requests.set(rates.requests_per_second);
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// Every change of shares.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Says which hosts the download wants to ask.
    pub(super) fn want(&self, hosts: BTreeSet<String>) {
        self.inner.wanted.send_if_modified(|wanted| {
            let other = *wanted != hosts;
            *wanted = hosts;
            other
        });
    }

    /// Connections it may have to `host` now.
    pub(super) fn connections(&self, host: &str) -> usize {
        let share = if self.shared { self.share(host).map_or(0, |share| share.connections) } else { u32::MAX };
        usize::try_from(share.min(self.own.connections)).unwrap_or(usize::MAX)
    }

    /// The rates of `host`.
    pub(super) fn of(&self, host: &str) -> Arc<HostThrottle> {
        let mut known = self.known();
        Arc::clone(&known.entry(host.to_owned()).or_insert_with(|| self.unknown()).throttle)
    }

    fn unknown(&self) -> Known {
        let HostShare { bytes_per_second, requests_per_second, .. } = self.own;
        let throttle =
            HostThrottle { bytes: Throttle::new(bytes_per_second), requests: Throttle::new(requests_per_second) };
        Known { share: None, throttle: Arc::new(throttle) }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: HostShare = HostShare { connections: 8, requests_per_second: Some(4.0), bytes_per_second: None };

    #[test]
    fn alone_it_has_everything_at_each_host() {
        let hosts = Hosts::alone(OWN);
        assert_eq!((hosts.connections("a"), hosts.connections("b")), (8, 8));
        assert!(Arc::ptr_eq(&hosts.of("a"), &hosts.of("a")) && !Arc::ptr_eq(&hosts.of("a"), &hosts.of("b")));
    }

    #[test]
    fn a_share_is_never_more_than_its_own_limit_and_nothing_before_it_is_told() {
        let hosts = Hosts::shared(OWN);
        let mut changes = hosts.changes();
        assert_eq!(hosts.connections("a"), 0);
        let share = |connections| Some(HostShare { connections, ..HostShare::default() });
        hosts.tell("a", share(3));
        assert!(changes.has_changed().unwrap_or(false));
        changes.mark_unchanged();
        hosts.tell("a", share(3));
        assert!(!changes.has_changed().unwrap_or(true), "the same again is no change");
        assert_eq!((hosts.connections("a"), hosts.connections("b")), (3, 0));
        hosts.tell("a", share(20));
        assert_eq!(hosts.connections("a"), 8);
        hosts.tell("a", None);
        assert_eq!(hosts.connections("a"), 0);
    }
}
