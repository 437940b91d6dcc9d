//! Bandwidth pools as the tracker sees them: the table of rates that was put last, fenced by generation, and the scheduler's models.

pub mod http;
mod models;
mod store;
mod tables;

pub use models::{find as find_models, put as put_models};
pub use store::{delete, load, put};
pub use tables::{Refused, Tables};
