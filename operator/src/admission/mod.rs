//! Which Jobs run: decided by pure functions over the index ([`downloads`], [`runs`]), carried out by one writer ([`writer`]).
//!
//! A VideoObject or TranscodeJob is its own place in the queue: no Job exists before there is room for it, unless Kueue admits.
//! Order is priority, then age. Also decided here, because it is the same question: Jobs held back by their owners' `suspend`,
//! and Jobs made again after a retry was asked for or their end left no result.

mod downloads;
mod inputs;
mod places;
mod runs;
mod writer;

use videocloud_protocol::ids::{ClaimKey, RunId, TaskId};

pub use downloads::downloads;
pub use places::Places;
pub use runs::{RunStage, runs};
pub use writer::admit;
pub(crate) use writer::remove;

use crate::{
    config::Limits,
    index::{Named, Waiting},
    jobs::{Placement, RunOrder},
};

/// What is decided by, besides the index.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Limits of downloads.
    pub downloads: Limits,
    /// Limits of transcode runs.
    pub runs: Limits,
    /// How often lost work is made again.
    pub max_attempts: u32,
    /// Whether Kueue admits: Jobs are made at once, held back, and never let go here.
    pub queued: bool,
}

/// One step towards what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the download Job of a claim, as its first owner asks.
    Download {
        /// The claim.
        key: ClaimKey,
        /// Whose spec it is made from.
        owner: Named,
        /// Which making it is.
        attempt: u32,
    },
    /// Start a run.
    Plan {
        /// What it makes.
        order: Box<RunOrder>,
        /// For whom.
        placement: Placement,
    },
    /// Encode the chunks of a planned run.
    Chunks {
        /// The run.
        run: RunId,
        /// How many.
        count: u32,
    },
    /// Encode chunks that ran out of memory in a second Job, with more.
    Again {
        /// The run.
        run: RunId,
        /// Which chunks.
        indexes: Vec<u32>,
    },
    /// Make the Secret of a download whose Job is there: another leader may have gone before it made one.
    Inputs {
        /// The claim.
        key: ClaimKey,
        /// Whose spec names the Secrets.
        owner: Named,
        /// Uid of the Job.
        job: String,
    },
    /// Finish an encoded run.
    Finish {
        /// The run.
        run: RunId,
    },
    /// Hold a Job back.
    Suspend(TaskId),
    /// Let a Job go.
    Resume(TaskId),
    /// Delete a Job and have the tracker forget its task, so that it is made again.
    Reset {
        /// The task, also the Job's name.
        task: TaskId,
        /// Uid of the Job, when there is one.
        job: Option<String>,
        /// Which making was lost; `None` when its owner asked for another try.
        lost: Option<u32>,
    },
}

/// What to do, and what there is no room for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// In the order they should be done.
    pub steps: Vec<Step>,
    /// What waits.
    pub waiting: Waiting,
}

impl Decision {
    /// Both decisions.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self.waiting.downloads.extend(other.waiting.downloads);
        self.waiting.renditions.extend(other.waiting.renditions);
        self
    }
}
