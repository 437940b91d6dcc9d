//! Leader election: whether, under which name, and how fast a dead leader is followed.

use std::time::Duration;

use clap::Args;

use super::seconds;

/// Leader election.
#[derive(Debug, Clone, Args)]
pub struct LeaseFlags {
    /// Elect a leader through a Lease; false only where a single replica is certain.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Name of the Lease in the system namespace.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LEASE_NAME", default_value = "videocloud-operator")]
    pub lease_name: String,
    /// Seconds others wait for a silent leader before one of them takes over.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LEASE_DURATION", value_parser = seconds, default_value = "15")]
    pub lease_duration: Duration,
    /// Seconds a leader tries to renew before it gives up and ends; less than --lease-duration.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LEASE_RENEW_DEADLINE", value_parser = seconds, default_value = "10")]
    pub lease_renew_deadline: Duration,
    /// Seconds between two tries to take or renew; less than --lease-renew-deadline.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LEASE_RETRY_PERIOD", value_parser = seconds, default_value = "2")]
    pub lease_retry_period: Duration,
    /// This replica's name in the Lease and in events; the pod's name by default.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_IDENTITY")]
    pub identity: Option<String>,
}

impl LeaseFlags {
    /// Checks that retry period < renew deadline < duration, without which two leaders could overlap.
    ///
    /// # Errors
    /// A sentence that names the flags.
    pub fn check(&self) -> Result<(), String> {
        if self.lease_renew_deadline >= self.lease_duration {
            return Err("--lease-renew-deadline must be less than --lease-duration".into());
        }
        if self.lease_retry_period.is_zero() || self.lease_retry_period >= self.lease_renew_deadline {
            return Err("--lease-retry-period must be above 0 and less than --lease-renew-deadline".into());
        }
        Ok(())
    }

    /// This replica's name: as given, else the host's (in a pod, the pod's), with a random end so that no two share one.
    #[must_use]
    pub fn identity(&self) -> String {
        self.identity.clone().unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".into());
            format!("{host}-{:08x}", rand::random::<u32>())
        })
    }
}
