//! WebTorrent: browsers announce over WebSocket, and the tracker passes their offers and answers to each other. Peers are met by
//! WebRTC, not by address, so they are named to nobody else; they are counted in the same swarms.

mod room;
mod service;
pub mod wire;

pub use room::{Member, Rooms};
pub use service::connect;
