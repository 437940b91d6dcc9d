//! What the tests stand on.

mod hub;
mod machine;
mod viewers;
mod workers;

pub use hub::{Hub, is};
pub use viewers::{Crowd, Viewers};
pub use workers::{Loss, content_of};
