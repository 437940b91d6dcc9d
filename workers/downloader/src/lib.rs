//! Multi-source download of one content.
//!
//! [`schedule`] decides who fetches what (pure), [`source`] speaks to servers, [`discover`] finds more of them, [`torrent`] knows
//! what a torrent's pieces are, [`engine`] brings all together over a staging area of the store, [`verify`] decides whether what
//! came is what was wanted. [`task`] is the worker's side: an order in, a report out.
//! Where contents are kept is `videocloud-store`'s business, what they mean is the tracker's.

pub mod discover;
pub mod engine;
pub mod schedule;
pub mod source;
pub mod task;
pub mod torrent;
pub mod verify;
