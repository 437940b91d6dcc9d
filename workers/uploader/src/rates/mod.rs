//! How fast each content may be sent: token buckets, the tracker's table of rates, and the count of what was sent.
//!
//! [`bucket`] and [`allocation`] are pure; [`gate`] makes a bucket wait in turn; [`swarms`] holds two gates per content, one for
//! BitTorrent and one for HTTP, under one for all; [`sending`] is the right to pass them, and [`meter`] what a connection takes of the
//! last. Tables come from [`crate::report`] or from a file ([`file`]); [`lending`] moves what is unused.

pub mod allocation;
pub mod bucket;
pub mod file;
pub mod gate;
pub mod lending;
pub mod meter;
pub mod sending;
pub mod swarms;

pub use allocation::Allocation;
pub use meter::{Meter, Wire};
pub use sending::{Sending, Share};
pub use swarms::{Swarm, Swarms};

/// Bytes per second of something that is not limited.
pub const UNLIMITED: u64 = u64::MAX;
