//! The system as a user has it: installed by Helm into a cluster, met through its objects and its edge.
//!
//! What is installed and how to reach it is one value, [`System`]; following an object to its end is [`follow`].

pub mod follow;

mod objects;

pub use objects::{ObjectError, Objects};
