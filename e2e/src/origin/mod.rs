//! An HTTP origin on this machine: files with ranges, and on request every way in which a link goes wrong.
//!
//! It binds the address that local clusters see as their gateway, so that pods fetch from it as from the Internet. It counts
//! what it served, because a test that says «one download» has to know.

mod fault;
mod server;

pub use server::{Origin, OriginError, Served};
