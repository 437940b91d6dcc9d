//! What Jobs look like: images, resources, limits in time, queue and priority.

use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;
use videocloud_protocol::task::SharedLimits;

use super::{NodeSelector, Quantities, Tolerations, seconds};

/// When the kubelet pulls an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When the node has none.
    IfNotPresent,
    /// Never: the node has it.
    Never,
}

impl PullPolicy {
    /// The word Kubernetes uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// What Jobs look like.
#[derive(Debug, Clone, Args)]
pub struct JobFlags {
    /// Image of the downloader.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_IMAGE")]
    pub downloader_image: String,
    /// Image of the transcoder.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_IMAGE")]
    pub transcoder_image: String,
    /// When these images are pulled.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_IMAGE_PULL_POLICY", value_enum, default_value = "IfNotPresent")]
    pub image_pull_policy: PullPolicy,
    /// Secrets of the system namespace to pull them with, comma-separated.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// Where Jobs reach the tracker, when that is not --tracker-url.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_JOBS_TRACKER_URL")]
    pub jobs_tracker_url: Option<Url>,
    /// Networks (CIDR, comma-separated) links may lead to although their addresses are private.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_ALLOW_NETWORKS", value_delimiter = ',')]
    pub allow_networks: Vec<String>,
    /// Largest content that is downloaded, bytes.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_CONTENT_SIZE", default_value_t = 1 << 40)]
    pub max_content_size: u64,
    /// Connections of one download to one host.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_CONNECTIONS_PER_HOST", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections_per_host: u32,
    /// Connections all downloads together may have to one host: they share them evenly, by leases from the tracker. 0 with
    /// --host-requests and --host-rate 0 too: nothing is shared.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_HOST_CONNECTIONS", default_value_t = 32)]
    pub host_connections: u32,
    /// Requests per second all downloads together may send to one host; 0 for no limit.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_HOST_REQUESTS", default_value_t = 0)]
    pub host_requests: u32,
    /// Bytes per second all downloads together may take from one host; 0 for no limit.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_HOST_RATE", default_value_t = 0)]
    pub host_rate: u64,
    /// Bytes per second one download may take over all its sources; 0 for no limit.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOAD_RATE", default_value_t = 0)]
    pub download_rate: u64,
    /// Bytes per second one download may give to the peers of a torrent meanwhile; 0 gives nothing.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_UPLOAD_RATE", default_value_t = 0)]
    pub upload_rate: u64,
    /// Seconds without bytes from any source after which a video says NoSourceAnswers, long before its progress deadline.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_NO_SOURCE_AFTER", value_parser = seconds, default_value = "300")]
    pub no_source_after: Duration,
    /// Labels the nodes of downloaders must have: label=value, comma-separated.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_NODE_SELECTOR", default_value = "")]
    pub downloader_node_selector: NodeSelector,
    /// Tolerations of downloaders, a JSON list as in a pod's spec.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_TOLERATIONS", default_value = "")]
    pub downloader_tolerations: Tolerations,
    /// Labels the nodes of transcoders must have: label=value, comma-separated.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_NODE_SELECTOR", default_value = "")]
    pub transcoder_node_selector: NodeSelector,
    /// Tolerations of transcoders, a JSON list as in a pod's spec: for example those of spot nodes, whose loss costs one chunk.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_TOLERATIONS", default_value = "")]
    pub transcoder_tolerations: Tolerations,
    /// Memory of chunks that ran out of it, as a multiple of what they had, in the second Job.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MORE_MEMORY", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub more_memory: u32,
    /// Resources a downloader asks for.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_REQUESTS", default_value = "cpu=100m,memory=128Mi")]
    pub downloader_requests: Quantities,
    /// Resources a downloader is held to.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_LIMITS", default_value = "memory=512Mi")]
    pub downloader_limits: Quantities,
    /// Size of a downloader's scratch volume.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOADER_SCRATCH", default_value = "1Gi")]
    pub downloader_scratch: String,
    /// Resources a transcoder asks for.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_REQUESTS", default_value = "cpu=1,memory=1Gi")]
    pub transcoder_requests: Quantities,
    /// Resources a transcoder is held to.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_LIMITS", default_value = "memory=4Gi")]
    pub transcoder_limits: Quantities,
    /// Size of a transcoder's scratch volume.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODER_SCRATCH", default_value = "20Gi")]
    pub transcoder_scratch: String,
    /// Chunks of one run that are encoded side by side, of TranscodeJobs made for a VideoObject's renditions.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_CHUNK_PARALLELISM", default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub chunk_parallelism: i32,
    /// Pods a Job may lose to faults that another try may not meet, before it fails.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_JOB_BACKOFF_LIMIT", default_value_t = 20)]
    pub job_backoff_limit: u32,
    /// Seconds a Job is kept after it finished.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_JOB_TTL", value_parser = seconds, default_value = "3600")]
    pub job_ttl: Duration,
    /// Seconds a download may run in all; its progress deadline usually ends it long before.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DOWNLOAD_DEADLINE", value_parser = seconds, default_value = "2592000")]
    pub download_deadline: Duration,
    /// Seconds each Job of a transcode run may run, of TranscodeJobs made for a VideoObject's renditions.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_TRANSCODE_DEADLINE", default_value_t = 86_400, value_parser = clap::value_parser!(i32).range(60..=604_800))]
    pub transcode_deadline: i32,
    /// PriorityClass of Jobs' pods.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_PRIORITY_CLASS")]
    pub priority_class: Option<String>,
    /// Kueue LocalQueue of the system namespace that admits Jobs; they are then made suspended and Kueue starts them.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_QUEUE_NAME")]
    pub queue_name: Option<String>,
    /// User and group Jobs run as.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_JOB_USER", default_value_t = 65532, value_parser = clap::value_parser!(i64).range(1..))]
    pub job_user: i64,
}

/// Resources of one kind of worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerResources<'a> {
    /// The image.
    pub image: &'a str,
    /// What it asks for.
    pub requests: &'a Quantities,
    /// What it is held to.
    pub limits: &'a Quantities,
    /// Size of its scratch volume, a quantity.
    pub scratch: &'a str,
    /// Labels its node must have.
    pub node_selector: &'a NodeSelector,
    /// Taints it puts up with.
    pub tolerations: &'a Tolerations,
}

impl JobFlags {
    /// What `downloads` that may run at once share of each host; `None` without any limit.
    #[must_use]
    pub fn shared(&self, downloads: u32) -> Option<SharedLimits> {
        let limit = |rate: u64| Some(rate).filter(|rate| *rate > 0);
        let requests_per_second = Some(self.host_requests).filter(|rate| *rate > 0);
        let bytes_per_second = limit(self.host_rate);
        // As many as all of them may have anyway.
        let every = self.connections_per_host.saturating_mul(downloads.max(1));
        let connections = if self.host_connections == 0 { every } else { self.host_connections };
        let limited = self.host_connections > 0 || requests_per_second.is_some() || bytes_per_second.is_some();
        limited.then_some(SharedLimits { connections, requests_per_second, bytes_per_second, downloads })
    }

    /// Resources of a downloader.
    #[must_use]
    pub fn downloader(&self) -> WorkerResources<'_> {
        WorkerResources {
            image: &self.downloader_image,
            requests: &self.downloader_requests,
            limits: &self.downloader_limits,
            scratch: &self.downloader_scratch,
            node_selector: &self.downloader_node_selector,
            tolerations: &self.downloader_tolerations,
        }
    }

    /// Resources of a transcoder.
    #[must_use]
    pub fn transcoder(&self) -> WorkerResources<'_> {
        WorkerResources {
            image: &self.transcoder_image,
            requests: &self.transcoder_requests,
            limits: &self.transcoder_limits,
            scratch: &self.transcoder_scratch,
            node_selector: &self.transcoder_node_selector,
            tolerations: &self.transcoder_tolerations,
        }
    }
}
