//! How BitTorrent peers speak to the tracker: UDP (BEP 15, 41), HTTP (BEP 3, 7, 23, 48) and WebSocket (WebTorrent).
//!
//! Each folder has its wire format as pure functions and its sockets beside them. They bring announces to `swarms` and keep no
//! state of peers, but for the connections of browsers.

pub mod http;
mod outcome;
mod probe;
pub mod udp;
pub mod web;

pub use outcome::{Counts, Outcome, Protocol};
pub use probe::probe;
