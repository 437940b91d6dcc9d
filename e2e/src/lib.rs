//! What the demo and the end-to-end tests share: an origin server, a real clip, the installed system and a player.
//!
//! Local clusters are a crate of their own (`videocloud-cluster`); nothing here is part of the product.

pub mod clip;
pub mod origin;
pub mod player;
pub mod system;
