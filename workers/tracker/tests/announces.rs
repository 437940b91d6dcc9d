//! Announces as peers send them, good and bad, over real sockets: UDP, HTTP and WebSocket; and what a restart keeps.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "announces/bad.rs"]
mod bad;
#[path = "announces/delivery.rs"]
mod delivery;
#[path = "announces/probe.rs"]
mod probe;
#[path = "announces/restart.rs"]
mod restart;
mod support;
#[path = "announces/web.rs"]
mod web;
#[path = "announces/wire.rs"]
mod wire;
