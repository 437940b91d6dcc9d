//! The data plane's one meeting point: content index, claims, tasks with their progress and results, publications, the uploaders'
//! tables of rates, and the BitTorrent tracker with the samples of its swarms, kept in SQL.
//!
//! A folder per capability, each with its statements and its handlers; `http` holds what all handlers share, `database` what all
//! statements share. What workers report is committed before it is answered; progress lives in memory.

pub mod bittorrent;
pub mod check;
pub mod claims;
pub mod config;
pub mod database;
pub mod hosts;
pub mod http;
pub mod index;
pub mod metrics;
pub mod pools;
pub mod publications;
pub mod standby;
pub mod swarms;
pub mod tasks;
mod tracker;
pub mod uploaders;

pub use tracker::{Delivery, Settings, Tracker};
