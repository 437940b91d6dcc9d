//! The custom resources of `videocloud.dev/v1alpha1`: typed spec and status of the six kinds, the
//! validation rules the API server enforces for them, and the names used in their conditions.
//!
//! Everything a user can get wrong is refused by the API server with a message that says what to do,
//! so no admission webhook exists. Reading objects is lenient on purpose: a text that passed an older
//! schema deserialises, and the operator's validate step parses it. Nothing here talks to a cluster.

// `KubeSchema` copies a struct into a function body, where its `pub` reaches nobody.
#![allow(unreachable_pub)]
// Printer columns repeat `type_` and `json_path`.
#![allow(clippy::duplicated_attributes)]

pub mod bandwidthpool;
pub mod conditions;
pub mod contentsource;
mod definitions;
pub mod reference;
pub mod transcode;
pub mod types;
pub mod uploadcluster;
pub mod videoobject;

pub use bandwidthpool::{BandwidthPool, BandwidthPoolSpec, BandwidthPoolStatus};
pub use contentsource::{ContentSource, ContentSourceSpec, ContentSourceStatus};
pub use definitions::{CATEGORY, GROUP, VERSION, definitions, file_name, to_yaml};
pub use transcode::{TranscodeJob, TranscodeJobSpec, TranscodeJobStatus, TranscodeProfile, TranscodeSettings};
pub use uploadcluster::{UploadCluster, UploadClusterSpec, UploadClusterStatus};
pub use videoobject::{VideoObject, VideoObjectSpec, VideoObjectStatus};
