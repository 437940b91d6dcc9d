//! Container images, for which no registry is needed: the project's own from finished programs, the small base they stand on, and
//! archives of single programs. Everything is cached by content; what is inside the programs is no matter here.

pub mod archive;
pub mod base;
pub mod build;
pub mod part;
pub mod repository;

use std::path::PathBuf;

use crate::assets::AssetError;
use crate::command::CommandError;
use crate::paths::PathError;

/// An image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A program to be put into an image is absent.
    #[error("failed to find {file} for the {part} image: {hint}")]
    Absent {
        /// The image.
        part: part::Part,
        /// Where the program was expected.
        file: PathBuf,
        /// How to make it.
        hint: &'static str,
    },
    /// A tool is not the one that was tested.
    #[error("failed to accept {file}: its SHA-256 is {found}, not the pinned {pinned}; run `make tools`")]
    Unpinned {
        /// The tool.
        file: PathBuf,
        /// What was found, in hexadecimal.
        found: String,
        /// What was expected.
        pinned: &'static str,
    },
    /// A Debian package is absent.
    #[error(transparent)]
    Assets(#[from] AssetError),
    /// A tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be used.
    #[error(transparent)]
    Path(#[from] PathError),
}
