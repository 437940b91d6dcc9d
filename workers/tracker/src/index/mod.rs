//! The content index: contents, the hashes they are known by, the links that lead to them, and renditions made from them
//! (cloud tracking: Li et al., IEEE TPDS 24(11), 2013, section 3: any one hash or link finds all the others).
//!
//! Statements only; who may call them and in which transaction is the caller's business.

pub mod contents;
pub mod links;
pub mod renditions;
mod scope;

pub use scope::Scope;
