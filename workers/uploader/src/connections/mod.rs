//! Sockets: accepting within limits, speaking HTTP/1.1 and HTTP/2, cutting what is stuck, ending cleanly.

mod limits;
mod listen;
mod socket;
pub mod wire;

pub use limits::{Limits, Place, Places, Refused};
pub use listen::{Drain, Site, serve};
