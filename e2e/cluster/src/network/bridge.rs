//! The bridge that joins all local clusters and the host. It comes with the first cluster and goes with the last.

use std::net::Ipv4Addr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;

use super::address::{self, Range};
use super::{LIMIT, NetworkError};
use crate::command::{command, run};

/// The bridge's name on the host.
pub(crate) const NAME: &str = "vc-bridge";

/// Makes the bridge when absent and returns its range; the host has the first address in it.
pub(crate) async fn ensure() -> Result<Range, NetworkError> {
    if let Some(range) = current()? {
        ip(&["link", "set", NAME, "up"]).await?;
        return Ok(range);
    }
    // 198.18.0.0/15 is set aside for tests of network devices (RFC 2544): nobody routes it.
    let candidates = (0..=255).map(|third| Range::holding(Ipv4Addr::new(198, 18, third, 0), 24));
    let range = address::first_free(candidates, &address::of_host()?).ok_or(NetworkError::NoRange("nodes"))?;
    if !exists(NAME) {
        ip(&["link", "add", NAME, "type", "bridge"]).await?;
    }
    let host = format!("{}/{}", gateway(range), range.length());
    ip(&["address", "replace", &host, "dev", NAME]).await?;
    ip(&["link", "set", NAME, "up"]).await?;
    Ok(range)
}

/// The host's address on the bridge.
pub(crate) fn gateway(range: Range) -> Ipv4Addr {
    range.address(1)
}

/// Removes the bridge.
pub(crate) async fn remove() -> Result<(), NetworkError> {
    if exists(NAME) {
        ip(&["link", "delete", NAME]).await?;
    }
    Ok(())
}

/// Whether the host has an interface of this name.
pub(crate) fn exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

/// Runs `ip`.
pub(crate) async fn ip(arguments: &[&str]) -> Result<String, NetworkError> {
    Ok(run(command("ip", arguments), b"", LIMIT).await?)
}

fn current() -> Result<Option<Range>, NetworkError> {
    let mut interfaces = getifaddrs().map_err(NetworkError::Interfaces)?;
    Ok(interfaces.find_map(|interface| {
        let address = interface.address?.as_sockaddr_in()?.ip();
        (interface.interface_name == NAME).then(|| Range::holding(address, 24))
    }))
}
