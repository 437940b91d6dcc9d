//! `BandwidthPool`: an amount of upload bandwidth and the rule by which swarms share it.

mod spec;
mod status;
mod tenant;

pub use spec::{BandwidthPool, BandwidthPoolSpec, Borrowing, Exploration, Objective, Policy};
pub use status::{BandwidthPoolStatus, PoolClusterStatus};
pub use tenant::Tenant;
