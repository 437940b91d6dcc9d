//! What can go wrong, with the exit code of each kind.

use std::io;

use videocloud_scheduler::solver::SolveError;

/// A cell of a table that is not what its column asks for.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {file}, line {line}, column `{column}`: {value:?} {problem}; {remedy}")]
pub(crate) struct CellError {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: &'static str,
    pub(crate) value: String,
    pub(crate) problem: String,
    pub(crate) remedy: String,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Flags that do not go together.
    #[error("failed to understand the command line: {0}")]
    Usage(String),
    /// A wrong cell.
    #[error(transparent)]
    Cell(Box<CellError>),
    /// A table whose header, rows or encoding are wrong.
    #[error("failed to read {file}{}: {problem}", line.map(|n| format!(", line {n}")).unwrap_or_default())]
    Table { file: String, line: Option<u64>, problem: String },
    /// Swarms and clusters that do not fit together.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A file that could not be opened or read.
    #[error("failed to read {file}: {cause}")]
    Read { file: String, cause: io::Error },
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
            Self::Usage(_) => 2,
            Self::Cell(_) | Self::Table { .. } | Self::Solve(_) => 20,
            Self::Read { .. } | Self::Write { .. } | Self::Tracker(_) => 1,
            Self::ReaderGone => 0,
        }
    }
}

impl From<CellError> for CommandError {
    fn from(error: CellError) -> Self {
        Self::Cell(Box::new(error))
    }
}
