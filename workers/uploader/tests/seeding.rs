//! The seeder as peers see it: the real program before a real store, a tracker for everybody, and real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;
mod swarm;
