//! What one member cluster sends: an HTTP edge, and a BitTorrent seeder beside it.
//!
//! A request goes from [`connections`] to [`edge`], which asks the [`catalogue`] what is published, takes bytes from [`source`]
//! and sends them at the rate [`rates`] allows. Peers come to [`seeding`], which finds what they want in [`torrents`] and sends it by the
//! same means. [`report`] tells the tracker what was sent and brings the next table; [`division`] says when there is one.

pub mod catalogue;
pub mod config;
pub mod connections;
pub mod division;
pub mod edge;
pub mod metrics;
pub mod probes;
pub mod pulse;
pub mod rates;
pub mod report;
pub mod seeding;
pub mod semantics;
pub mod source;
pub mod torrents;
