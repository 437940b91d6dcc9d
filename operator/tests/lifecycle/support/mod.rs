//! What the tests stand on.

mod hub;
mod machine;
mod workers;

pub use hub::{Hub, is};
pub use workers::content_of;
