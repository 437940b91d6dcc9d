//! Ranges of IPv4 addresses and the choice of ones that nothing on the machine has.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use nix::ifaddrs::getifaddrs;
use serde::{Deserialize, Serialize};

use super::NetworkError;

/// A range of IPv4 addresses in CIDR notation; the bits after the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    base: u32,
    length: u8,
}

/// Not a range in CIDR notation.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {0:?} as a range of IPv4 addresses such as 10.0.0.0/24")]
pub struct InvalidRange(String);

impl Range {
    /// The range of the given prefix length (0 to 32; more counts as 32) that holds `address`.
    pub const fn holding(address: Ipv4Addr, length: u8) -> Self {
        let length = if length > 32 { 32 } else { length };
        Self { base: address.to_bits() & Self::mask(length), length }
    }

    const fn mask(length: u8) -> u32 {
        match length {
            0 => 0,
            _ => u32::MAX << (32 - length),
        }
    }

    /// Whether the two ranges share an address.
    pub const fn overlaps(self, other: Self) -> bool {
        let shorter = if self.length < other.length { self.length } else { other.length };
        self.base & Self::mask(shorter) == other.base & Self::mask(shorter)
    }

    /// The address `index` places after the first.
    pub const fn address(self, index: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | index as u32)
    }

    /// The length of the prefix in bits.
    pub const fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from_bits(self.base), self.length)
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let invalid = || InvalidRange(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| invalid())?;
        let length: u8 = length.parse().map_err(|_| invalid())?;
        let range = Self::holding(address, length);
        if length <= 32 && range.base == address.to_bits() { Ok(range) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for Range {
    type Error = InvalidRange;

    fn try_from(text: String) -> Result<Self, InvalidRange> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

/// The ranges of the host's interfaces, except those this library made.
pub(crate) fn of_host() -> Result<Vec<Range>, NetworkError> {
    let interfaces = getifaddrs().map_err(NetworkError::Interfaces)?;
    Ok(interfaces
        .filter(|interface| interface.interface_name != super::bridge::NAME)
        .filter_map(|interface| {
            let address = interface.address?.as_sockaddr_in()?.ip();
            let mask = interface.netmask?.as_sockaddr_in()?.ip();
            Some(Range::holding(address, mask.to_bits().leading_ones() as u8))
        })
        .collect())
}

/// The first candidate that overlaps none of `taken`.
pub(crate) fn first_free(candidates: impl IntoIterator<Item = Range>, taken: &[Range]) -> Option<Range> {
    candidates.into_iter().find(|candidate| !taken.iter().any(|taken| candidate.overlaps(*taken)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn a_candidate_inside_or_around_a_taken_range_is_passed_over() {
        let candidates = ["10.200.1.0/24", "172.30.1.0/24"].map(range);
        assert_eq!(first_free(candidates, &[]), Some(candidates[0]));
        assert_eq!(first_free(candidates, &[range("10.0.0.0/8")]), Some(candidates[1]));
        assert_eq!(first_free(candidates, &[range("10.200.1.128/25"), range("172.16.0.0/12")]), None);
    }

    #[test]
    fn text_that_is_no_range_is_refused() {
        for bad in ["", "10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "10.0.0/24", "::/0"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ranges_survive_text_and_overlap_is_symmetric(a: u32, b: u32, la in 0u8..=32, lb in 0u8..=32) {
            let (a, b) = (Range::holding(a.into(), la), Range::holding(b.into(), lb));
            prop_assert_eq!(a, a.to_string().parse().unwrap());
            prop_assert_eq!(a.overlaps(b), b.overlaps(a));
            prop_assert!(a.overlaps(a));
        }
    }
}
