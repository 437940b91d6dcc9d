//! Profiles for the standalone command: built-in names, or a file with a `TranscodeProfile`.

mod builtin;
mod file;

use std::path::Path;

use videocloud_protocol::rendition::RenditionSettings;

pub use builtin::{NAMES, builtin};
pub use file::parse;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither a built-in name nor a file.
    #[error("failed to find profile {name:?}: it is no file and none of the built-in names {}", NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("failed to read profile {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no `TranscodeProfile`.
    #[error("failed to understand profile {path}: {source}")]
    Yaml {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: serde_yaml_ng::Error,
    },
    /// A value is out of its range.
    #[error("failed to accept profile {name}: {why}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// The settings of `text`: a built-in name (which may stand for several renditions) or the path of a file.
///
/// # Errors
/// [`ProfileError`].
pub fn resolve(text: &str) -> Result<Vec<RenditionSettings>, ProfileError> {
    if let Some(settings) = builtin(text) {
        return Ok(settings);
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Err(ProfileError::Unknown { name: text.to_owned() });
    }
    let yaml = std::fs::read_to_string(path).map_err(|source| ProfileError::Io { path: text.to_owned(), source })?;
    parse(&yaml, text)
}
