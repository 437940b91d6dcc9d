//! What the demo and the end-to-end tests share: an origin server, a real clip, the installed system and a player.
//!
//! [`testbed`] puts them together on a local cluster (a crate of its own, `videocloud-cluster`). Nothing here is part of the product.

pub mod browser;
pub mod clip;
pub mod origin;
pub mod player;
pub mod system;
pub mod testbed;
