//! Where the demo happens: what the story needs to know of a cluster, however it came to be.

use std::path::PathBuf;

use videocloud_e2e::{origin::Origin, system::Objects};

/// The name of the sample object, and the namespace it is in.
pub const VIDEO: &str = "bunny";
pub const NAMESPACE: &str = "default";

/// A cluster with the installed system, and a link for it to fetch.
pub struct Place {
    /// The cluster's objects.
    pub objects: Objects,
    /// The link, the SHA-256 of what is behind it if known.
    pub link: String,
    pub digest: Option<String>,
    /// The origin, when this process is it: it tells what was sent.
    pub origin: Option<(Origin, String)>,
    /// How a person runs `kubectl` here.
    pub kubectl: String,
    /// The folder with ffmpeg and ffprobe.
    pub tools: PathBuf,
    /// How to remove all of it.
    pub removal: &'static str,
    /// Kept alive for as long as the edge has to be reached.
    pub _tunnel: Option<tokio::process::Child>,
}
