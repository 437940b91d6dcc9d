//! Announce and scrape over HTTP (BEP 3, 7, 23, 48), at `/announce` and `/<secret>/announce`.

pub mod bencode;
pub mod query;
pub(crate) mod quick;
mod service;

pub use service::{body, routes};
