//! Uploaders: what they report, and the table of rates they are given.

mod fleet;
pub mod http;

pub use fleet::Fleet;
