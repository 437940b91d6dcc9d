//! A node's network: a namespace of its own, joined to the host and to the other nodes by one bridge. Nothing of a
//! node's ports, addresses and packet filter rules is seen by the host, and no traffic leaves the machine.

pub mod address;
pub(crate) mod bridge;
pub(crate) mod namespace;

use std::time::Duration;

use crate::command::CommandError;
use crate::paths::PathError;

/// The longest time one `ip` or `iptables` command may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The network could not be set up or taken down.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Every candidate range overlaps an address of the host.
    #[error(
        "failed to choose addresses for {0}: every candidate overlaps an interface of this machine (see `ip address`)"
    )]
    NoRange(&'static str),
    /// The host's own addresses could not be listed.
    #[error("failed to list this machine's interfaces: {0}")]
    Interfaces(nix::Error),
    /// The namespace could not be entered.
    #[error("failed to enter network namespace {name}: {source}")]
    Enter {
        /// Its name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// `ip` or `iptables` failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be used.
    #[error(transparent)]
    Path(#[from] PathError),
}
