//! The UDP tracker protocol (BEP 15), on threads of its own: no runtime, no SQL, batched system calls.

mod connection;
mod handle;
mod serve;
pub mod wire;

pub use connection::ConnectionIds;
pub use handle::{Batch, Handler};
pub use serve::{UdpError, UdpServer};
