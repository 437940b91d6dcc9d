//! What can go wrong, with the exit code of each kind.

use std::io;

use videocloud_scheduler::simulator::SimulateError;
use videocloud_scheduler::solver::SolveError;

use super::read::TableError;

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Flags that do not go together.
    #[error("failed to understand the command line: {0}")]
    Usage(String),
    /// A table that could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A simulation whose numbers are out of range.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// Swarms and clusters that do not fit together.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The tracker could not be followed.
    #[error("failed to follow the tracker: {0}")]
    Follow(io::Error),
    /// A file that could not be written.
    #[error("failed to write {file}: {cause}")]
    Write { file: String, cause: io::Error },
    /// The tracker did not answer, or refused.
    #[error(transparent)]
    Tracker(#[from] videocloud_protocol::tracker::ClientError),
    /// Whoever read the standard output has seen enough.
    #[error("the reader of the standard output is gone")]
    ReaderGone,
}

impl CommandError {
    /// 1: a file could not be read or written, or the tracker be asked; 2: usage; 20: bad input, as of the workers.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Simulate(_) => 2,
            Self::Table(TableError::Io { .. }) | Self::Write { .. } | Self::Tracker(_) | Self::Follow(_) => 1,
            Self::Table(_) | Self::Solve(_) => 20,
            Self::ReaderGone => 0,
        }
    }
}
