//! Where a result goes: a file that appears whole or not at all, a pipe or device, or the standard output.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::command::error::CommandError;

/// An open destination.
pub(crate) struct Sink {
    name: String,
    to: To,
}

enum To {
    Stdout(BufWriter<io::Stdout>),
    Device(BufWriter<fs::File>),
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Sink {
    /// Opens the destination; `-` is the standard output. Nothing appears under the name before [`Self::finish`].
    pub(crate) fn open(path: &str) -> Result<Self, CommandError> {
        let failed = |cause| CommandError::Write { file: path.to_owned(), cause };
        let to = if path == "-" { To::Stdout(BufWriter::new(io::stdout())) } else { open(path).map_err(failed)? };
        Ok(Self { name: path.to_owned(), to })
    }

    /// Writes a piece of text.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), CommandError> {
        let done = match &mut self.to {
            To::Stdout(out) => out.write_all(text.as_bytes()),
            To::Device(out) => out.write_all(text.as_bytes()),
            To::File(out, _) => out.write_all(text.as_bytes()),
        };
        done.map_err(|cause| failure(&self.name, cause))
    }

    /// Makes what was written visible under the name.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        let done = match self.to {
            To::Stdout(mut out) => out.flush(),
            To::Device(mut out) => out.flush(),
            To::File(out, path) => persist(out, &path),
        };
        done.map_err(|cause| failure(&self.name, cause))
    }
}

fn failure(name: &str, cause: io::Error) -> CommandError {
    if name == "-" && cause.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::ReaderGone;
    }
    let file = if name == "-" { "the standard output" } else { name }.to_owned();
    CommandError::Write { file, cause }
}

fn open(path: &str) -> io::Result<To> {
    let path = Path::new(path);
    // A link stays a link to the new file; a pipe or device cannot be replaced by one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let present = fs::metadata(&path).ok();
    if present.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if present.as_ref().is_some_and(|meta| !meta.is_file()) {
        return Ok(To::Device(BufWriter::new(OpenOptions::new().write(true).open(path)?)));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut builder = tempfile::Builder::new();
    let fresh = new_file_permissions();
    let builder = match present.map(|meta| meta.permissions()).or(fresh) {
        Some(permissions) => builder.permissions(permissions),
        None => &mut builder,
    };
    // Without the name of the temporary file, which nobody asked for.
    let plain = |error: io::Error| io::Error::from(error.kind());
    let file = builder.prefix(".videocloud-scheduler-").tempfile_in(folder).map_err(plain)?;
    Ok(To::File(BufWriter::with_capacity(1 << 20, file), path))
}

/// As of any new file: what the user's mask leaves of read and write for all.
#[cfg(unix)]
fn new_file_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file_permissions() -> Option<Permissions> {
    None
}

fn persist(out: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
