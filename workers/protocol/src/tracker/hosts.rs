//! Hosts that several downloads ask at the same time: each holds a lease on a part of what all together may ask of the host.

use serde::{Deserialize, Serialize};

/// What one host may be asked for, or a part of that. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostShare {
    /// Connections at the same time.
    pub connections: u32,
    /// Requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<f64>,
    /// Bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
}

impl HostShare {
    /// The part of one of `downloads` that share this evenly; one connection at least.
    #[must_use]
    pub fn among(self, downloads: u32) -> Self {
        let downloads = downloads.max(1);
        let part = |rate: f64| rate / f64::from(downloads);
        Self {
            connections: (self.connections / downloads).max(1),
            requests_per_second: self.requests_per_second.map(part),
            bytes_per_second: self.bytes_per_second.map(part),
        }
    }

    /// The lower of both, number by number.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let lower = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            connections: self.connections.min(other.connections),
            requests_per_second: lower(self.requests_per_second, other.requests_per_second),
            bytes_per_second: lower(self.bytes_per_second, other.bytes_per_second),
        }
    }
}

/// A host that a download asks, or wants to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostUse {
    /// `name:port`.
    pub host: String,
    /// What all downloads together may ask of it.
    pub limits: HostShare,
    /// The most this one could use: it is given no more.
    pub wants: HostShare,
    /// What this one asks of it at present; no connections before its first answer.
    pub holds: HostShare,
}

/// The hosts of one download. Those that it named before and does not name any more are given back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostsRequest {
    /// The hosts, at most [`HostsRequest::MOST`].
    pub hosts: Vec<HostUse>,
}

impl HostsRequest {
    /// Most hosts of one download.
    pub const MOST: usize = 64;
}

/// What a download may ask of one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostGrant {
    /// As it was asked.
    pub host: String,
    /// Downloads that ask it, this one included.
    pub holders: u32,
    /// Its share; `None` while the tracker, just started, still hears who holds what: whoever holds something keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<HostShare>,
}

/// The shares of one download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostsAnswer {
    /// Ask again after so many milliseconds; as soon as it is obeyed when a share became smaller, so that others get what was given up.
    pub renew_millis: u32,
    /// Shares hold for so many milliseconds without being renewed; then they are another's.
    pub lease_millis: u32,
    /// The shares, in the order of the request.
    pub hosts: Vec<HostGrant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_the_lower_counts() {
        let all = HostShare { connections: 8, requests_per_second: Some(3.0), bytes_per_second: None }.among(6);
        assert_eq!(all, HostShare { connections: 1, requests_per_second: Some(0.5), bytes_per_second: None });
        let other = HostShare { connections: 2, requests_per_second: Some(0.25), bytes_per_second: Some(9.0) };
        let lower = HostShare { connections: 1, requests_per_second: Some(0.25), bytes_per_second: Some(9.0) };
        assert_eq!(all.min(other), lower);
    }
}
