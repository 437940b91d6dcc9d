//! This download's shares of the hosts that other downloads ask too: leases from the tracker, renewed while the download runs.
//!
//! When the tracker does not answer, the last share holds until its lease ends; after that, and where there never was one, the
//! download takes what would be its part if as many downloads as may run at once asked the same host.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::SharedLimits;
use videocloud_protocol::tracker::{Client, HostShare, HostUse, HostsAnswer, HostsRequest};

use crate::engine::Hosts;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// Pause after a call that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// How long connections may take to be closed that a lower share leaves no room for.
const CLOSED: Duration = Duration::from_millis(300);
/// How long a download waits for its first share.
const PATIENCE: Duration = Duration::from_secs(5);

/// The task that keeps the leases of one download.
pub(super) struct Leases {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Leases {
    /// Asks for the hosts that `hosts` wants, of which all downloads together may ask `limits`.
    pub(super) fn start(tracker: Client, id: TaskId, hosts: Hosts, limits: &SharedLimits) -> Self {
        let stop = CancellationToken::new();
        let all = HostShare {
            connections: limits.connections.max(1),
            requests_per_second: limits.requests_per_second.map(f64::from).filter(|rate| *rate > 0.0),
            bytes_per_second: limits.bytes_per_second.map(|rate| rate as f64).filter(|rate| *rate > 0.0),
        };
        let keeper = Keeper {
            tracker,
            id,
            wanted: hosts.wanted(),
            hosts,
            all,
            alone: all.among(limits.downloads),
            held: BTreeSet::new(),
            until: Instant::now() + PATIENCE,
        };
        let task = tokio::spawn(keeper.keep(stop.clone()));
        Self { stop, task }
    }

    /// Gives the shares back.
    pub(super) async fn end(self) {
        self.stop.cancel();
        // It only panics when the runtime shuts down.
        let _ = self.task.await;
    }
}

struct Keeper {
    tracker: Client,
    id: TaskId,
    hosts: Hosts,
    wanted: watch::Receiver<BTreeSet<String>>,
    /// What all downloads together may ask of a host.
    all: HostShare,
    /// What this one takes when the tracker does not say.
    alone: HostShare,
    /// Hosts it has asked shares of.
    held: BTreeSet<String>,
    /// When the shares end, or the wait for the first.
    until: Instant,
}

impl Keeper {
    async fn keep(mut self, stop: CancellationToken) {
        loop {
            let pause = tokio::select! {
                () = stop.cancelled() => break,
                pause = self.renew() => pause,
            };
            let lapse = self.until.saturating_duration_since(Instant::now());
            let pause = if self.held.is_empty() { Duration::MAX } else { pause.min(lapse.max(AGAIN / 10)) };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(pause) => {}
                Ok(()) = self.wanted.changed() => {}
            }
        }
        if !self.held.is_empty() {
            // Lost words do no harm: the leases end by themselves.
            let _ = timeout(CALL, self.tracker.hosts(&self.id, &HostsRequest::default())).await;
        }
    }

    /// Asks once. Returns how long to wait before the next time.
    async fn renew(&mut self) -> Duration {
        let wanted = self.wanted.borrow_and_update().clone();
        let (asked, beyond): (Vec<_>, Vec<_>) =
            wanted.into_iter().enumerate().partition(|(number, _)| *number < HostsRequest::MOST);
        let asked: BTreeSet<String> = asked.into_iter().map(|(_, host)| host).collect();
        beyond.iter().for_each(|(_, host)| self.hosts.tell(host, Some(self.alone)));
        let given_back = self.held.difference(&asked).cloned().collect::<Vec<_>>();
        given_back.iter().for_each(|host| self.hosts.tell(host, None));
        if asked.is_empty() && given_back.is_empty() {
            return Duration::MAX;
        }
        self.held.extend(asked.iter().cloned());
        let uses = asked.iter().map(|host| HostUse {
            host: host.clone(),
            limits: self.all,
            wants: HostShare { connections: self.hosts.own().connections, ..self.all },
            holds: self.hosts.share(host).unwrap_or_default(),
        });
        let request = HostsRequest { hosts: uses.collect() };
        let began = Instant::now();
        let patience = self.until.saturating_duration_since(began).min(CALL).max(AGAIN / 2);
        let answer = timeout(patience, self.tracker.hosts(&self.id, &request)).await;
        match answer {
            Ok(Ok(answer)) => {
                self.held = asked;
                self.until = began + Duration::from_millis(answer.lease_millis.into());
                self.take(&answer)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "shares of hosts not renewed");
                // A tracker that does not know what is asked, or refuses it, will not say more later.
                self.without(&asked, !error.is_transient());
                AGAIN.mul_f64(rand::rng().random_range(0.5..=1.0))
            }
            Err(_) => {
                self.without(&asked, false);
                AGAIN.mul_f64(rand::rng().random_range(0.5..=1.0))
            }
        }
    }

    fn take(&self, answer: &HostsAnswer) -> Duration {
        let mut lowered = false;
        for grant in &answer.hosts {
            let before = self.hosts.share(&grant.host);
            match (grant.share, before) {
                (Some(share), before) => {
                    lowered |= before.is_some_and(|before| before.min(share) != before);
                    let share = Some(share).filter(|share| share.connections > 0);
                    if before != share {
                        tracing::debug!(host = grant.host, holders = grant.holders, ?share, "share of a host");
                    }
                    self.hosts.tell(&grant.host, share);
                }
                // It has just started and does not know yet who holds what.
                (None, None) => self.hosts.tell(&grant.host, Some(self.alone)),
                (None, Some(_)) => {}
            }
        }
        let renew = Duration::from_millis(answer.renew_millis.into());
        // What is given up is said to be so once its connections are closed.
        if lowered { CLOSED } else { renew.mul_f64(rand::rng().random_range(0.8..=1.0)) }
    }

    /// Goes on without the tracker's word, once it is too late for it.
    fn without(&self, asked: &BTreeSet<String>, never: bool) {
        if !never && Instant::now() < self.until {
            return;
        }
        for host in asked {
            let last = self.hosts.share(host);
            if last.is_none_or(|last| last.min(self.alone) != last) {
                tracing::warn!(host, share = ?self.alone, "no word from the tracker: a careful share of the host is taken");
                self.hosts.tell(host, Some(last.map_or(self.alone, |last| last.min(self.alone))));
            }
        }
    }
}
