//! What ffmpeg is told, and whether what it wrote is what was planned.
//!
//! Arguments are built by pure functions from typed settings ([`video`], [`sound`], [`still`], [`text`]): nothing a user or a
//! stranger's file says ends up on a command line unparsed. [`chunk`] runs and verifies one chunk.

pub mod chunk;
pub mod codec;
pub mod errors;
mod rolls;
pub(crate) mod shape;
pub mod sound;
pub mod still;
pub mod text;
pub mod verify;
pub mod video;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::child::{self, Ended, Frames, Heard, Invocation, verdict};
use crate::probe::Container;
use crate::probe::facts::VideoFacts;
use crate::tools::Tools;

/// A source on the local disk in a container that can be decoded directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSource {
    /// The file.
    pub path: PathBuf,
    /// Its container.
    pub container: Container,
}

/// How ffmpeg is run, for every encode of a program run.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The programs.
    pub tools: Tools,
    /// Threads for decoding and filters. They do not change the bytes; the encoder's own are part of the settings.
    pub threads: usize,
    /// Longest time without a new frame.
    pub stall: Duration,
    /// Cancelled when the program must end.
    pub stop: CancellationToken,
}

impl Driver {
    /// Runs ffmpeg with `args` in `folder` (the only place it may write), reading `source`; `seen` hears the frame count.
    ///
    /// # Errors
    /// The [`Failure`] its ending means.
    pub async fn run(
        &self,
        args: Vec<OsString>,
        folder: &Path,
        source: &Path,
        what: &str,
        seen: impl Fn(u64),
    ) -> Result<Ended, Failure> {
        self.run_program(&self.tools.ffmpeg, args, folder, &[source], what, seen).await
    }

    /// The same driver with an ffmpeg that decodes `video`.
    #[must_use]
    pub fn reading(&self, video: Option<&VideoFacts>) -> Self {
        self.decoding(video.map_or("", |video| video.codec.as_str()))
    }

    /// The same driver with an ffmpeg that decodes `codec`: the pinned one encodes AV1 and does not decode it.
    #[must_use]
    pub fn decoding(&self, codec: &str) -> Self {
        let mut driver = self.clone();
        if let Some(other) = driver.tools.vmaf.clone().filter(|_| codec == "av1") {
            driver.tools.ffmpeg = other;
        }
        driver
    }

    /// As [`Self::run`], with any ffmpeg and any number of files to read.
    pub(crate) async fn run_program(
        &self,
        program: &Path,
        args: Vec<OsString>,
        folder: &Path,
        readable: &[&Path],
        what: &str,
        seen: impl Fn(u64),
    ) -> Result<Ended, Failure> {
        let head = ["-hide_banner", "-nostdin", "-y", "-v", "level+error", "-progress", "pipe:1", "-nostats"];
        let invocation = Invocation {
            program: program.to_path_buf(),
            args: head.iter().map(OsString::from).chain(args).collect(),
            folder: folder.to_path_buf(),
            readable: readable.iter().map(|path| path.to_path_buf()).collect(),
            stall: self.stall,
        };
        tracing::debug!(what, args = ?invocation.args, "running ffmpeg");
        let mut frames = Frames::default();
        let ended = child::run(&invocation, &self.stop, |line| {
            let heard = frames.hear(line);
            if heard == Heard::Progress {
                seen(frames.count());
            }
            heard
        })
        .await
        .map_err(|error| Failure::new(FailureClass::Transient, reason::INTERNAL, error.to_string()))?;
        match verdict::judge(&ended, verdict::Stage::Encode, what) {
            Some(failure) => Err(failure),
            None => Ok(ended),
        }
    }
}

/// Collects arguments of any kind of string.
#[derive(Debug, Default)]
pub(crate) struct Args(pub(crate) Vec<OsString>);

impl Args {
    /// Adds arguments.
    pub(crate) fn add<S: Into<OsString>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.0.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an option and its value.
    pub(crate) fn set(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.extend([option.into(), value.into()]);
        self
    }
}
