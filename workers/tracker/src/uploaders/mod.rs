//! Uploaders: what they report, and the table of rates they are given.

mod assignment;
mod fleet;
pub mod http;

pub use fleet::{Fleet, Reported};
