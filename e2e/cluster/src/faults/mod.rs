//! What goes wrong on a node, done on purpose: parts restarted or frozen, containers killed, clusters cut off from each
//! other, slow cables, full disks. All of it is a method of [`Cluster`](crate::Cluster) or a value it gives out, and
//! [`Cluster::up`](crate::Cluster::up) repairs what concerns the node itself.
//!
//! The clock is not among them: Linux has no wall clock for each namespace, and this machine's is not for tests to change.

pub mod container;
pub mod disk;
mod network;
mod parts;
