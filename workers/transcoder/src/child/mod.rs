//! One confined child process, from start to exit: both outputs drained, progress watched, stopped as a group.
//!
//! Knows processes and time, nothing of video. What to run is built elsewhere ([`crate::probe`], [`crate::encode`]); what an
//! ending means is judged by [`verdict`].

mod lines;
mod progress;
pub mod verdict;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use lines::Tail;
pub use progress::Frames;

use crate::sandbox::{FileConfinement, Sandbox, SandboxError};

/// How long a child may take to end after SIGTERM before its group gets SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// What to run, where and within which walls.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, never passed through a shell.
    pub args: Vec<OsString>,
    /// Working folder, writable.
    pub folder: PathBuf,
    /// Files or folders outside of it that may be read.
    pub readable: Vec<PathBuf>,
    /// The longest time without progress before the child counts as stalled.
    pub stall: Duration,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Why it was stopped, if we stopped it.
    pub stopped: Option<Stopped>,
    /// The last lines of stderr.
    pub stderr: Tail,
    /// How far the kernel confined its files.
    pub confinement: FileConfinement,
}

/// Why we ended a child before it ended itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The program is being shut down.
    Interrupted,
    /// No progress for [`Invocation::stall`].
    Stalled,
    /// The reader of its output refused a line (too much output, or output that cannot be).
    Refused,
}

/// What a line of stdout meant to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The work moved on.
    Progress,
    /// Nothing new.
    Nothing,
    /// The child must be stopped.
    Enough,
}

/// Why a child could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started within its walls.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Its pipes or its exit status could not be read.
    #[error("failed to follow {program}: {source}")]
    Follow {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Runs `invocation` to its end. Each line of stdout goes to `hear`, whose answer feeds the stall watchdog; `stop` ends the
/// child early (SIGTERM to its group, SIGKILL ten seconds later).
///
/// # Errors
/// [`ChildError`] when the child could not be started or followed; a child that failed is an [`Ended`].
pub async fn run(
    invocation: &Invocation,
    stop: &CancellationToken,
    mut hear: impl FnMut(&str) -> Heard,
) -> Result<Ended, ChildError> {
    let program = invocation.program.display().to_string();
    let follow = |source| ChildError::Follow { program: program.clone(), source };
    let (mut child, confinement) = start(invocation)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let missing = || std::io::Error::other("the child has no pipe");
    let stdout = child.stdout.take().ok_or_else(|| follow(missing()))?;
    let stderr = child.stderr.take().ok_or_else(|| follow(missing()))?;
    let stderr = tokio::spawn(lines::tail(stderr));

    let mut lines = lines::Lines::new(stdout);
    let mut deadline = Instant::now() + invocation.stall;
    let stopped = loop {
        let line = tokio::select! {
            () = stop.cancelled() => break Some(Stopped::Interrupted),
            () = tokio::time::sleep_until(deadline) => break Some(Stopped::Stalled),
            line = lines.next() => line.map_err(follow)?,
        };
        match line.map(&mut hear) {
            Some(Heard::Progress) => deadline = Instant::now() + invocation.stall,
            Some(Heard::Nothing) => {}
            Some(Heard::Enough) => break Some(Stopped::Refused),
            None => break None,
        }
    };
    // stdout is closed or no longer of interest; a child that lingers after closing it is still bounded by the stall limit.
    let (status, stopped) = match stopped {
        Some(why) => (end(&mut child, group).await.map_err(follow)?, Some(why)),
        None => tokio::select! {
            status = child.wait() => (status.map_err(follow)?, None),
            () = stop.cancelled() => (end(&mut child, group).await.map_err(follow)?, Some(Stopped::Interrupted)),
            () = tokio::time::sleep(invocation.stall) => (end(&mut child, group).await.map_err(follow)?, Some(Stopped::Stalled)),
        },
    };
    let stderr = stderr.await.map_err(|error| follow(std::io::Error::other(error)))?;
    tracing::debug!(program, ?status, ?stopped, ?confinement, "child ended");
    Ok(Ended { status, stopped, stderr, confinement })
}

fn start(invocation: &Invocation) -> Result<(Child, FileConfinement), SandboxError> {
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.args)
        .current_dir(&invocation.folder)
        .env_clear()
        .env("AV_LOG_FORCE_NOCOLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let sandbox = Sandbox {
        program: invocation.program.clone(),
        readable: invocation.readable.clone(),
        writable: vec![invocation.folder.clone()],
    };
    sandbox.spawn(command)
}

/// SIGTERM to the group, then SIGKILL after the grace time; returns once the child is reaped.
async fn end(child: &mut Child, group: Option<Pid>) -> std::io::Result<ExitStatus> {
    if let Some(group) = group {
        // Fails only when the group is already gone, which is what we want.
        let _ = killpg(group, Signal::SIGTERM);
        if let Ok(status) = timeout(GRACE, child.wait()).await {
            return status;
        }
        let _ = killpg(group, Signal::SIGKILL);
    }
    child.kill().await?;
    child.wait().await
}
