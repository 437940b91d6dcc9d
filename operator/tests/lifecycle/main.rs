//! The operator against a real API server, the real Job controller and garbage collector, and a real tracker. Only kubelet and
//! the workers are played.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]
// The benchmark uses the rest of the support.
#![allow(dead_code)]

mod chunks;
mod deletion;
mod faults;
mod line;
mod path;
mod pools;
mod sources;
mod support;
