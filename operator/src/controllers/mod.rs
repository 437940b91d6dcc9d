//! The controllers: a folder per kind, each a pipeline of the same files. What drives them is in [`runner`]; what they share is
//! the [`World`].

mod backoff;
pub mod cluster;
pub mod pool;
mod runner;
pub mod transcode;
pub mod video;

use std::sync::Arc;

use videocloud_protocol::tracker::{Client, ClientError};

pub use runner::run;

use crate::{
    apiserver::{ApiError, ApiServer},
    config::Settings,
    events::Events,
    index::Index,
    jobs::Environment,
    metrics::Metrics,
};

/// Everything a pass may use.
#[derive(Debug)]
pub struct World {
    /// What is known.
    pub index: Arc<Index>,
    /// The API server, for writing.
    pub api: ApiServer,
    /// The tracker.
    pub tracker: Client,
    /// Events.
    pub events: Events,
    /// Counters.
    pub metrics: Metrics,
    /// Flags.
    pub settings: Settings,
    /// What Jobs share.
    pub environment: Environment,
    /// What this leader remembers of pools.
    pub pools: pool::Pools,
}

/// Why a pass failed. It is tried again with back-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The tracker.
    #[error(transparent)]
    Tracker(#[from] ClientError),
    /// A pool could not be solved.
    #[error("failed to solve: {0}")]
    Arithmetic(String),
    /// A pass kept learning something new.
    #[error("failed to settle within {0} rounds")]
    Restless(u32),
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Whether something was written.
    pub changed: bool,
    /// When to look again although nothing wakes the object.
    pub again: Option<std::time::Duration>,
}

impl Pass {
    /// Nothing was to do.
    pub const UNCHANGED: Self = Self { changed: false, again: None };
}
