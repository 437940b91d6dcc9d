//! What is published, as far as this uploader knows: publications and contents from the tracker, manifests from the store.
//!
//! [`shelf`] keeps a bounded number of each, asks again in time, and goes on with what it knows when nobody answers.

mod known;
pub mod shelf;
pub mod standing;

pub use known::{Catalogue, LookupError};
pub use standing::Standing;
