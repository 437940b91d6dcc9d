//! The BitTorrent seeder: it has everything, downloads nothing, and gives each swarm what its share allows.
//!
//! [`session`] is one connection as a state machine and [`slots`] decides who is unchoked; both are pure. [`shake`] and [`connection`] are
//! the socket's side, [`crowd`] holds the connections of one swarm together, [`listen`] accepts them. A torrent is opened by its first
//! peer and forgotten with its last. [`announce`] tells a tracker of us that does not hear of us by reports.

pub mod announce;
mod connection;
pub mod crowd;
mod listen;
pub mod reveal;
pub mod session;
#[cfg(test)]
mod session_tests;
mod shake;
pub mod slots;

pub use announce::Announcer;
pub use crowd::Crowds;
pub use listen::{Seeder, lend, serve};
