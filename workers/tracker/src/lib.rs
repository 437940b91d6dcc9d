//! The data plane's one meeting point: content index, claims, tasks with their progress and results, publications, and the
//! uploaders' tables of rates, over HTTP, kept in SQL. The BitTorrent tracker joins as further folders.
//!
//! A folder per capability, each with its statements and its handlers; `http` holds what all handlers share, `database` what all
//! statements share. What workers report is committed before it is answered; progress lives in memory.

pub mod check;
pub mod claims;
pub mod config;
pub mod database;
pub mod http;
pub mod index;
pub mod metrics;
pub mod publications;
pub mod tasks;
mod tracker;
pub mod uploaders;

pub use tracker::{Settings, Tracker};
