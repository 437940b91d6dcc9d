//! What the operator is told from outside: flags with environment variables beside them, parsed into the types the rest trusts.
//!
//! Nothing here reads the cluster. Each group of flags is a file; [`Settings`] is the whole, checked once at start.

mod control;
mod jobs;
mod lease;
mod nodes;
mod quantities;
mod store;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use url::Url;

pub use control::{ControlFlags, Limits};
pub use jobs::{JobFlags, PullPolicy, WorkerResources};
pub use lease::LeaseFlags;
pub use nodes::{InvalidNodes, NodeSelector, Tolerations};
pub use quantities::{InvalidQuantities, Quantities};
pub use store::{StoreFlags, StoreMount};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The videocloud operator: turns VideoObjects into played video.
///
/// Watches VideoObjects, TranscodeJobs and TranscodeProfiles, runs downloader and transcoder Jobs in the system namespace,
/// and writes what becomes of them into the objects' status. Several replicas may run: all of them watch, the one that holds
/// the Lease writes.
#[derive(Debug, Clone, Parser)]
#[command(name = "videocloud-operator", version, after_help = EXIT_CODES)]
pub struct Settings {
    /// System namespace: Jobs and the Lease live here, and tenants have no rights in it.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_NAMESPACE", default_value = "videocloud-system")]
    pub namespace: String,
    /// Only objects of these namespaces are served, comma-separated. Empty: those of all namespaces.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Where the operator reaches the tracker, for example http://videocloud-tracker:8080.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRACKER_URL")]
    pub tracker_url: Url,
    /// File with the key shared with the tracker, from which the operator's and the Jobs' tokens are made.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_KEY_FILE")]
    pub key_file: PathBuf,
    /// Public base URL of the edge, put before /v/<namespace>/<name>/ in status.endpoints. Empty: no endpoints are shown.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_EDGE_URL")]
    pub edge_url: Option<Url>,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_HTTP", default_value = "0.0.0.0:8080")]
    pub http: SocketAddr,
    /// What log lines look like; RUST_LOG sets what is logged (default info).
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Limits and rhythm of the controllers.
    #[command(flatten)]
    pub control: ControlFlags,
    /// What Jobs look like.
    #[command(flatten)]
    pub jobs: JobFlags,
    /// Where Jobs find the store.
    #[command(flatten)]
    pub store: StoreFlags,
    /// Leader election.
    #[command(flatten)]
    pub lease: LeaseFlags,
}

const EXIT_CODES: &str = "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 failed (the message says what to do), or lost the Lease; \
2 wrong flags. Every flag can be given by the environment variable named beside it. The cluster is that of KUBECONFIG, or the \
one the pod runs in.";

impl Settings {
    /// The tracker's address as Jobs see it.
    #[must_use]
    pub fn jobs_tracker_url(&self) -> &Url {
        self.jobs.jobs_tracker_url.as_ref().unwrap_or(&self.tracker_url)
    }

    /// Checks what single flags cannot say.
    ///
    /// # Errors
    /// A sentence that names the flags.
    pub fn check(&self) -> Result<(), String> {
        self.store.mount()?;
        self.lease.check()?;
        for (flag, url) in [("--tracker-url", Some(&self.tracker_url)), ("--edge-url", self.edge_url.as_ref())] {
            if url.is_some_and(|url| !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base()) {
                return Err(format!("{flag} must be an http:// or https:// URL"));
            }
        }
        Ok(())
    }
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NEEDED: [&str; 10] = [
        "videocloud-operator",
        "--tracker-url=http://tracker:8080",
        "--key-file=/key",
        "--downloader-image=d",
        "--transcoder-image=t",
        "--store=file:///store",
        "--store-claim=store",
        "--downloader-requests=cpu=100m,memory=64Mi",
        "--max-downloads=3",
        "--lease-duration=15",
    ];

    #[test]
    fn flags_are_sound_and_have_defaults() {
        use clap::CommandFactory;
        Settings::command().debug_assert();
        let settings = Settings::try_parse_from(NEEDED).unwrap();
        settings.check().unwrap();
        assert_eq!(settings.control.max_downloads, 3);
        assert_eq!(settings.jobs_tracker_url().as_str(), "http://tracker:8080/");
        assert_eq!(settings.store.mount().unwrap(), StoreMount::Claim("store".into()));
    }

    #[test]
    fn contradictions_are_named() {
        let with = |extra: &str| Settings::try_parse_from(NEEDED.iter().copied().chain([extra])).unwrap().check();
        assert!(with("--store-host-path=/srv").unwrap_err().contains("--store-host-path"));
        assert!(with("--lease-renew-deadline=15").unwrap_err().contains("--lease-renew-deadline"));
        assert!(with("--edge-url=ftp://edge").unwrap_err().contains("--edge-url"));
    }

    #[test]
    fn every_flag_has_an_environment_variable_of_its_name() {
        use clap::CommandFactory;
        for argument in Settings::command().get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !["help", "version"].contains(long)) else { continue };
            let expected = format!("VIDEOCLOUD_OPERATOR_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), expected);
        }
    }
}
