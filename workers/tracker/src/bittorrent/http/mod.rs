//! Announce and scrape over HTTP (BEP 3, 7, 23, 48), at `/announce` and `/<secret>/announce`.

pub mod bencode;
pub mod query;
mod service;

pub use service::{body, routes};
