//! Limits and rhythm of the controllers.

use std::time::Duration;

use clap::Args;

use super::seconds;

/// Limits and rhythm of the controllers.
#[derive(Debug, Clone, Args)]
pub struct ControlFlags {
    /// Download Jobs that run at the same time, in all.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_DOWNLOADS", default_value_t = 16)]
    pub max_downloads: u32,
    /// Download Jobs that run at the same time for one namespace.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_DOWNLOADS_PER_NAMESPACE", default_value_t = 8)]
    pub max_downloads_per_namespace: u32,
    /// Transcode runs (one video, all its renditions) that run at the same time, in all.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_TRANSCODES", default_value_t = 4)]
    pub max_transcodes: u32,
    /// Transcode runs that run at the same time for one namespace.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_TRANSCODES_PER_NAMESPACE", default_value_t = 2)]
    pub max_transcodes_per_namespace: u32,
    /// Objects of one kind that are looked at side by side.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Seconds between two sweeps for what nobody owns. Deletions are swept at once.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_SWEEP_INTERVAL", value_parser = seconds, default_value = "300")]
    pub sweep_interval: Duration,
    /// Seconds at least between two writes of an object's progress.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_PROGRESS_INTERVAL", value_parser = seconds, default_value = "10")]
    pub progress_interval: Duration,
    /// Renditions nobody has asked for that are made ahead at a time, of the most requested videos by the profiles asked for most,
    /// while less than half of --max-transcodes is used; 0 for none.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_PREDICT", default_value_t = 0)]
    pub predict: usize,
    /// Only these BandwidthPools are solved, comma-separated: for several operators in one cluster. Empty: all.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_POOLS", value_delimiter = ',')]
    pub pools: Vec<String>,
    /// The BandwidthPool of videos that name none.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_DEFAULT_POOL", default_value = "default")]
    pub default_pool: String,
    /// Times a Job that ended without a result (a lost node, a lost tracker database) is made again before its video fails.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: u32,
}

/// How much may run at the same time, of one kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: u32,
    /// For one namespace.
    pub per_namespace: u32,
}

impl ControlFlags {
    /// Limits of downloads.
    #[must_use]
    pub const fn downloads(&self) -> Limits {
        Limits { total: self.max_downloads, per_namespace: self.max_downloads_per_namespace }
    }

    /// Limits of transcode runs.
    #[must_use]
    pub const fn transcodes(&self) -> Limits {
        Limits { total: self.max_transcodes, per_namespace: self.max_transcodes_per_namespace }
    }
}
