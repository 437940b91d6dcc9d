//! The Jobs this operator makes, as pure builders: an order in, a Job out. Names come from the order, so that making one twice
//! gives a conflict and not a duplicate. Nothing here talks to the API server.

mod download;
mod frame;
mod inputs;
mod pod;
mod transcode;

pub use download::{DownloadOrder, download};
pub use frame::Placement;
pub use inputs::{Inputs, Needed, Origin, Unavailable};
pub use pod::Environment;
pub use transcode::{RunBounds, RunOrder, again, chunks, finish, plan, read_task};

/// Labels of Jobs and their pods.
pub mod labels {
    /// Set to [`MANAGER`] on everything this operator makes; the watch selects by it.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// The value of [`MANAGED_BY`].
    pub const MANAGER: &str = "videocloud-operator";
    /// `downloader` or `transcoder`: NetworkPolicies select by it.
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// The task, also the Job's name: every worker's pod is found by having it.
    pub const TASK: &str = "videocloud.dev/task";
    /// `download`, `plan`, `chunk` or `finish`.
    pub const WORK: &str = "videocloud.dev/work";
    /// Claim key of a download.
    pub const CLAIM: &str = "videocloud.dev/claim";
    /// Run of a transcode.
    pub const RUN: &str = "videocloud.dev/run";
    /// Namespace whose limit the Job counts against.
    pub const NAMESPACE: &str = "videocloud.dev/namespace";
    /// Kueue's queue.
    pub const QUEUE: &str = "kueue.x-k8s.io/queue-name";
}

/// Annotations of Jobs.
pub mod annotations {
    /// The object the Job was made for first, `namespace/name`: for people.
    pub const OWNER: &str = "videocloud.dev/owner";
    /// Which making of the same Job this is, from 1.
    pub const ATTEMPT: &str = "videocloud.dev/attempt";
    /// Rendition keys a run makes, comma-separated.
    pub const RENDITIONS: &str = "videocloud.dev/renditions";
    /// Set on a download that needs a Secret of its own name.
    pub const INPUTS: &str = "videocloud.dev/inputs";
    /// Chunks encoded side by side.
    pub const PARALLELISM: &str = "videocloud.dev/parallelism";
}
