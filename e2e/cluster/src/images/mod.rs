//! Images: the pause image made without any tool, and loading archives into a cluster.

pub mod archive;
