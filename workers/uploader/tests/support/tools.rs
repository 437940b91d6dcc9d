//! Programs the tests use. One that is missing is a failure that says what to install.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// A program of a Debian package.
pub fn program(name: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let places = found.chain([PathBuf::from("/usr/sbin")]);
    let path = places.map(|folder| folder.join(name)).find(|path| path.is_file());
    Command::new(path.unwrap_or_else(|| panic!("{name} is missing: install the Debian package {package} (.ci/setup)")))
}

/// `ffmpeg` or `ffprobe`, Debian's: the pinned static build plays no DASH.
pub fn ffmpeg(name: &str) -> Command {
    program(name, "ffmpeg")
}

/// Runs it; panics with what it said unless it ended well.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    output
}
