//! Why a table was refused.

use std::io;

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

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// A wrong cell.
    #[error(transparent)]
    Cell(Box<CellError>),
    /// A header, rows or an encoding that are wrong.
    #[error("failed to read {file}{}: {problem}", line.map(|n| format!(", line {n}")).unwrap_or_default())]
    Form { file: String, line: Option<u64>, problem: String },
    /// A file that could not be opened or read.
    #[error("failed to read {file}: {cause}")]
    Io { file: String, cause: io::Error },
}

impl From<CellError> for TableError {
    fn from(error: CellError) -> Self {
        Self::Cell(Box::new(error))
    }
}
