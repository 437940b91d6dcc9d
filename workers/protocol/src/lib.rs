//! What travels between the parts of videocloud: ids, digests, links, tasks, manifests and the tracker's API.
//!
//! Everything here is plain data that is parsed once at the edge and then trusted, plus the one client that speaks it
//! ([`tracker::Client`]). No storage, no Kubernetes and no media handling lives here. Wire formats accept unknown fields, so
//! that parts one version apart understand each other.

pub mod content;
pub mod digest;
pub mod failure;
pub mod ids;
pub mod link;
pub mod peer_wire;
pub mod playlist;
pub mod publication;
pub mod rendition;
pub mod task;
pub mod token;
pub mod torrent;
pub mod tracker;
