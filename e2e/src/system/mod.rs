//! The system as a user has it: installed by Helm into a cluster, met through its objects and its edge.
//!
//! What is installed is one value, [`System`]; questions to an object's state are in [`follow`],
//! viewers' machines beside the cluster in [`peers`].

pub mod follow;
mod install;
mod objects;
pub mod peers;

pub use install::{Images, InstallError, NAMESPACE, Settings, System, repository};
pub use objects::{ObjectError, Objects};
