//! Where a table comes from.

use std::fs::File;
use std::io::{self, Read};

use indicatif::ProgressBar;

use super::TableError;
use crate::command::progress;

/// The bytes of a table, and what to call them.
pub(crate) struct Input {
    pub(super) name: String,
    pub(super) bytes: Box<dyn Read>,
    pub(super) bar: ProgressBar,
    /// Told what is odd about the table, but no reason to refuse it.
    pub(super) warn: fn(&str),
}

impl Input {
    /// Opens a file, or the standard input for `-`; warnings go to the standard error.
    pub(crate) fn open(path: &str) -> Result<Self, TableError> {
        let warn = |text: &str| eprintln!("warning: {text}");
        if path == "-" {
            return Ok(Self::new("the standard input", io::stdin(), warn));
        }
        let failed = |cause| TableError::Io { file: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        let bar = progress::bytes(path, file.metadata().map_err(failed)?.len());
        let bytes = Box::new(bar.wrap_read(file));
        Ok(Self { name: path.to_owned(), bytes, bar, warn })
    }

    /// Bytes from anywhere.
    pub(crate) fn new(name: &str, bytes: impl Read + 'static, warn: fn(&str)) -> Self {
        Self { name: name.to_owned(), bytes: Box::new(bytes), bar: ProgressBar::hidden(), warn }
    }
}
