//! The HTTP edge of one member cluster; the BitTorrent seeder joins as further folders.
//!
//! A request goes from [`connections`] to [`edge`], which asks the [`catalogue`] what is published, takes bytes from [`source`]
//! and sends them at the rate [`rates`] allows. [`report`] tells the tracker what was sent and brings the next table.

pub mod catalogue;
pub mod config;
pub mod connections;
pub mod edge;
pub mod metrics;
pub mod probes;
pub mod pulse;
pub mod rates;
pub mod report;
pub mod semantics;
pub mod source;
