//! Condition types and reasons, as constants: the words users wait for, alert on and search for.
//!
//! `Ready` is first everywhere and means the object does what it is for. `Stalled` is True only after a
//! terminal failure, so that `kubectl wait`, Flux and Helm see it; suspension is a reason, not a type.
//! A worker's failure gives its own reason (`NotFound`, `DigestMismatch`, `CorruptMedia` and so on): those words belong to
//! the protocol and are taken over as they are.

/// Condition types.
pub mod types {
    /// The object does what it is for: a video can be played, a rendition is there, a pool is solved.
    pub const READY: &str = "Ready";
    /// VideoObject: the original is in the store.
    pub const DOWNLOADED: &str = "Downloaded";
    /// VideoObject: every rendition asked for is there.
    pub const RENDITIONS_READY: &str = "RenditionsReady";
    /// VideoObject: at least one uploader serves it.
    pub const DELIVERED: &str = "Delivered";
    /// Any kind: given up; nothing happens until the spec changes.
    pub const STALLED: &str = "Stalled";
    /// TranscodeJob: ticks and chunks are known.
    pub const PLANNED: &str = "Planned";
    /// TranscodeJob: every chunk is encoded.
    pub const ENCODED: &str = "Encoded";
    /// UploadCluster: its uploaders report, and it takes part in the pool.
    pub const ACTIVE: &str = "Active";
    /// BandwidthPool: the table in force is not older than two intervals.
    pub const SOLVED: &str = "Solved";
    /// BandwidthPool: viewers need more than the pool has.
    pub const CAPACITY_SHORT: &str = "CapacityShort";
    /// ContentSource: the server answers.
    pub const REACHABLE: &str = "Reachable";
}

/// Reasons of a VideoObject's conditions.
pub mod video {
    /// Waiting for a place among the running Jobs.
    pub const WAITING_FOR_ADMISSION: &str = "WaitingForAdmission";
    /// The index is being asked.
    pub const RESOLVING: &str = "Resolving";
    /// Being fetched.
    pub const DOWNLOADING: &str = "Downloading";
    /// Another VideoObject's download of the same content is being waited for.
    pub const JOINED: &str = "Joined";
    /// The content is in the store, fetched for this video.
    pub const DOWNLOADED: &str = "Downloaded";
    /// The content was there already.
    pub const KNOWN_CONTENT: &str = "KnownContent";
    /// Playable.
    pub const PLAYABLE: &str = "Playable";
    /// Renditions are being made.
    pub const TRANSCODING: &str = "Transcoding";
    /// Every rendition is there, or none was asked for.
    pub const ALL_READY: &str = "AllReady";
    /// At least one rendition could not be made.
    pub const RENDITION_FAILED: &str = "RenditionFailed";
    /// A TranscodeProfile that is named does not exist.
    pub const PROFILE_NOT_FOUND: &str = "ProfileNotFound";
    /// What is proven of it is served while the rest is being fetched.
    pub const ARRIVING: &str = "Arriving";
    /// Served.
    pub const SERVED: &str = "Served";
    /// No uploader serves it yet.
    pub const NO_UPLOADER: &str = "NoUploader";
    /// Evicted; fetched again when somebody asks.
    pub const ON_DEMAND: &str = "OnDemand";
    /// No source gives bytes, and none has for a while; tried on until the progress deadline.
    pub const NO_SOURCE_ANSWERS: &str = "NoSourceAnswers";
    /// A source was given up while others go on: an event, never a condition.
    pub const SOURCE_DROPPED: &str = "SourceDropped";
    /// The Secret or document of a source is missing, lacks a key, or its namespace has not opted in.
    pub const CREDENTIALS_UNAVAILABLE: &str = "CredentialsUnavailable";
}

/// Reasons of a TranscodeJob's conditions.
pub mod transcode {
    /// The VideoObject is not there.
    pub const VIDEO_NOT_FOUND: &str = "VideoNotFound";
    /// The original is not in the store yet.
    pub const WAITING_FOR_VIDEO: &str = "WaitingForVideo";
    /// The plan is being made.
    pub const PLANNING: &str = "Planning";
    /// Chunks are being encoded.
    pub const ENCODING: &str = "Encoding";
    /// Chunks are being joined and packaged.
    pub const FINISHING: &str = "Finishing";
    /// The rendition is there.
    pub const COMPLETED: &str = "Completed";
    /// The rendition was there already.
    pub const REUSED: &str = "Reused";
    /// The source is smaller than the profile: never upscaled.
    pub const SKIPPED_UPSCALE: &str = "SkippedUpscale";
    /// A chunk failed more often than backoffLimit.
    pub const BACKOFF_LIMIT_EXCEEDED: &str = "BackoffLimitExceeded";
    /// The work took longer than activeDeadlineSeconds.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
}

/// Reasons shared by kinds.
pub mod shared {
    /// Stopped by `spec.suspend`.
    pub const SUSPENDED: &str = "Suspended";
    /// Something another pass will mend: retried with back-off.
    pub const RETRYING: &str = "Retrying";
    /// Nothing is wrong.
    pub const HEALTHY: &str = "Healthy";
    /// The tracker does not answer; transfers go on.
    pub const TRACKER_UNREACHABLE: &str = "TrackerUnreachable";
    /// The spec passed an older schema and cannot be used.
    pub const INVALID_SPEC: &str = "InvalidSpec";
}

/// Reasons of UploadCluster and BandwidthPool conditions.
pub mod delivery {
    /// Uploaders report.
    pub const REPORTING: &str = "Reporting";
    /// No report within the grace period.
    pub const NO_REPORT: &str = "NoReport";
    /// The BandwidthPool does not exist.
    pub const POOL_NOT_FOUND: &str = "PoolNotFound";
    /// The kubeconfig Secret is missing or refused (`exec`, insecure TLS).
    pub const KUBECONFIG_REFUSED: &str = "KubeconfigRefused";
    /// The cluster is another UploadCluster already.
    pub const DUPLICATE_CLUSTER: &str = "DuplicateCluster";
    /// The table in force is fresh.
    pub const TABLE_IN_FORCE: &str = "TableInForce";
    /// The tracker has not finished an interval yet.
    pub const WAITING_FOR_SAMPLES: &str = "WaitingForSamples";
    /// The tracker gave no samples of the last interval: it was not solved for.
    pub const SAMPLES_MISSING: &str = "SamplesMissing";
    /// No active cluster.
    pub const NO_ACTIVE_CLUSTER: &str = "NoActiveCluster";
    /// Needs fit into the capacity.
    pub const FITS: &str = "Fits";
    /// Needs exceed the capacity: shared by objective Delay.
    pub const NEEDS_EXCEED_CAPACITY: &str = "NeedsExceedCapacity";
}
