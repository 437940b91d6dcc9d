//! How fast each content may be sent: token buckets, the tracker's table of rates, and the count of what was sent.
//!
//! [`bucket`] and [`allocation`] are pure; [`gate`] makes a bucket wait in turn; [`swarms`] holds one gate per content under
//! one for all. Where a table comes from is said in [`crate::report`].

pub mod allocation;
pub mod bucket;
pub mod gate;
pub mod swarms;

pub use allocation::Allocation;
pub use swarms::{Sending, Swarm, Swarms};

/// Bytes per second of something that is not limited.
pub const UNLIMITED: u64 = u64::MAX;
