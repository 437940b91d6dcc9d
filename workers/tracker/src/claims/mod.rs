//! Claims: which object wants what, and what the index can say about it before a byte moves.
//!
//! A wish is what is wanted under one key; a claim is one object's share in a wish. A wish without claims is abandoned and
//! reported to the operator until it is forgotten an hour later.

mod answer;
pub mod http;
mod put;
mod sync;

pub use put::claim;
pub use sync::sync;
