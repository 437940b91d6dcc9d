//! The edge as clients see it: the real program before a real store and a real tracker, asked by real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod suite;
mod support;
