//! The name of a cluster, checked once.

use std::fmt;
use std::str::FromStr;

/// The longest name: it is part of interface, group and folder names.
const LONGEST: usize = 32;

/// The name of a local cluster and of its one node: lower-case letters, digits and inner hyphens, at most 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName(String);

/// A name that no cluster can have.
#[derive(Debug, thiserror::Error)]
#[error("failed to accept {0:?} as a cluster's name: use 1 to {LONGEST} lower-case letters, digits and inner hyphens")]
pub struct InvalidName(String);

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let edges = bytes.first().is_some_and(letter) && bytes.last().is_some_and(letter);
        let inner = bytes.iter().all(|byte| letter(byte) || *byte == b'-');
        if edges && inner && bytes.len() <= LONGEST {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_a_node_are_taken_and_others_refused() {
        for good in ["a", "demo", "edge-2", "0x0"] {
            assert!(good.parse::<ClusterName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "..", "a b", &"a".repeat(33)] {
            assert!(bad.parse::<ClusterName>().is_err(), "{bad}");
        }
    }
}
