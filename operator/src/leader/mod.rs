//! Leader election through a Lease: every replica watches, the holder writes.
//!
//! The Lease is advisory: what is made has derived names, so two leaders for a while do nothing twice. The rules are those of
//! client-go's leaderelection; [`term`] holds them without I/O, this file reads and writes the Lease.

mod term;

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use rand::RngExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::LeaseFlags;
use term::{Move, Observed, Term};

/// Why this replica does not lead any more.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// It could not be renewed in time.
    #[error("failed to renew Lease {name} within {} s: another replica leads now or soon", within.as_secs())]
    Expired {
        /// The Lease.
        name: String,
        /// The renew deadline.
        within: Duration,
    },
    /// Somebody else took it.
    #[error("failed to keep Lease {name}: {holder} holds it")]
    Taken {
        /// The Lease.
        name: String,
        /// Who holds it.
        holder: String,
    },
}

/// One replica's part in the election.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    deadline: Duration,
    period: Duration,
    term: Term,
}

impl Election {
    /// A candidate named `identity` for the Lease of `flags` in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, flags: &LeaseFlags, identity: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: flags.lease_name.clone(),
            term: Term::new(identity.clone(), flags.lease_duration),
            identity,
            duration: flags.lease_duration,
            deadline: flags.lease_renew_deadline,
            period: flags.lease_retry_period,
        }
    }

    /// Waits until this replica leads. `false` when `stop` came first.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.attempt().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(lease = self.name, %error, "failed to take the Lease, trying again"),
            }
            // Jitter keeps replicas that started together from trying together for ever.
            let pause = self.period.mul_f64(rand::rng().random_range(1.0..=1.2));
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Keeps the Lease until `stop`, then gives it up.
    ///
    /// # Errors
    /// [`LeaseError`] when it is lost: the process must end at once.
    pub async fn keep(mut self, stop: CancellationToken) -> Result<(), LeaseError> {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
                () = tokio::time::sleep(self.period) => {}
            }
            let left = self.deadline.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => {
                    return Err(LeaseError::Taken { name: self.name.clone(), holder: self.term.holder().to_owned() });
                }
                Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "failed to renew the Lease, trying again"),
                Err(_) => {}
            }
            if renewed.elapsed() >= self.deadline {
                return Err(LeaseError::Expired { name: self.name.clone(), within: self.deadline });
            }
        }
    }

    /// Reads the Lease and takes or renews it if the rules allow. A conflict means that somebody else was faster.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let lease = self.lease(None, 0);
            return match self.api.create(&PostParams::default(), &lease).await {
                Ok(made) => {
                    self.term.observe(Observed::of(&made), Instant::now());
                    Ok(true)
                }
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
                Err(error) => Err(error),
            };
        };
        self.term.observe(Observed::of(&lease), Instant::now());
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let next = match self.term.decide(Instant::now()) {
            Move::Wait => return Ok(false),
            Move::Renew => self.lease(Some(&lease), transitions),
            Move::Take => self.lease(Some(&lease), transitions.saturating_add(1)),
        };
        match self.api.replace(&self.name, &PostParams::default(), &next).await {
            Ok(made) => {
                self.term.observe(Observed::of(&made), Instant::now());
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lease(&self, old: Option<&Lease>, transitions: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        let acquired = old
            .and_then(|old| old.spec.as_ref())
            .filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
            .and_then(|spec| spec.acquire_time.clone());
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                // Replacing a version that is not the newest is a conflict: two candidates cannot both win.
                resource_version: old.and_then(|old| old.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
                acquire_time: acquired.or_else(|| Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Empties the Lease, so that the next leader need not wait.
    async fn release(&self) {
        let released = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            match lease.spec.as_mut() {
                Some(spec) if spec.holder_identity.as_deref() == Some(&self.identity) => {
                    spec.holder_identity = None;
                    spec.lease_duration_seconds = Some(1);
                }
                _ => return Ok(()),
            }
            self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
        };
        match tokio::time::timeout(Duration::from_secs(5), released).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "gave up the Lease"),
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "failed to give up the Lease"),
            Err(_) => tracing::warn!(lease = self.name, "failed to give up the Lease in time"),
        }
    }
}
