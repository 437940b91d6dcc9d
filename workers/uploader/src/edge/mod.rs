//! The answers of the edge: which path means what, who may have it, and the response made of it.
//!
//! [`target`] reads paths, [`access`] signatures; [`entity`] is a thing with bytes and [`answer`] the response that carries them;
//! [`body`] streams it at the rate allowed. Sockets are elsewhere.

pub mod access;
pub mod answer;
pub mod arrival;
pub mod body;
mod contents;
pub mod entity;
mod growing;
mod published;
mod service;
pub mod target;
mod torrents;

pub use body::Body;
pub use service::{Edge, Settings};
