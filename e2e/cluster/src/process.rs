//! Starts a node's long-running programs so that they outlive this process, inside the node's network namespace and a
//! control group of their own, and finds them again by that group: no process id is ever written down.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};
use tokio::process::Command;

use crate::assets::packages::search_path;
use crate::cgroup::{CgroupError, Tree};
use crate::paths::{self, PathError};

/// How long one process may take to die of SIGKILL.
const DEATH: Duration = Duration::from_secs(10);

/// A long-running program could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("failed to start {program}: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It did not die.
    #[error("failed to end process {0}: it survived SIGKILL")]
    Immortal(i32),
    /// It does not run.
    #[error("failed to signal {0}: it does not run")]
    Absent(&'static str),
    /// Its control group could not be used.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Its log could not be opened.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A program of the node: what to run and where its words go.
#[derive(Debug)]
pub(crate) struct Service {
    /// The name of its control group.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: PathBuf,
    /// The file that keeps the node's network namespace.
    pub(crate) namespace: PathBuf,
}

impl Service {
    /// Starts the program unless it runs already; says whether it was started.
    pub(crate) fn ensure(&self, tree: &Tree) -> Result<bool, ProcessError> {
        if self.running(tree) {
            return Ok(false);
        }
        self.start(tree)?;
        Ok(true)
    }

    /// Whether the program runs.
    pub(crate) fn running(&self, tree: &Tree) -> bool {
        main_process(tree, self.name, &self.program).is_some()
    }

    fn start(&self, tree: &Tree) -> Result<(), ProcessError> {
        if let Some(folder) = self.log.parent() {
            paths::make_folder(folder)?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(PathError::io("open", &self.log))?;
        let group = tree.component(self.name)?;
        let join = File::options().write(true).open(&group).map_err(PathError::io("open", &group))?;
        let network = File::open(&self.namespace).map_err(PathError::io("open", &self.namespace))?;
        let start = |source| ProcessError::Start { program: self.program.clone(), source };

        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("PATH", search_path()).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(start)?).stderr(log);
        let enter = move || {
            setsid()?;
            (&join).write_all(b"0")?;
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            Ok(())
        };
        // SAFETY: the closure runs in the forked child before exec. It only makes the system calls setsid, write and
        // setns on descriptors opened before the fork: no allocation, no lock, nothing the parent's threads could hold.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(enter);
        }
        // Dropping the child leaves it running; tokio reaps it should it end while this process lives.
        command.spawn().map_err(start)?;
        Ok(())
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, tree: &Tree, signal: Signal) -> Result<(), ProcessError> {
        let process = main_process(tree, self.name, &self.program).ok_or(ProcessError::Absent(self.name))?;
        kill(process, signal).map_err(|_| ProcessError::Absent(self.name))
    }

    /// Ends the program with SIGKILL and waits until it is gone; its children (running containers) stay.
    pub(crate) async fn kill(&self, tree: &Tree) -> Result<(), ProcessError> {
        let started = Instant::now();
        while let Some(process) = main_process(tree, self.name, &self.program) {
            if started.elapsed() > DEATH {
                return Err(ProcessError::Immortal(process.as_raw()));
            }
            // One that ended meanwhile is what was wanted.
            let _ = kill(process, Signal::SIGKILL);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// The process in a component's group that runs the component's program, not one of its children.
fn main_process(tree: &Tree, name: &str, program: &Path) -> Option<Pid> {
    tree.processes_of(name).into_iter().find(|process| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).next() == Some(program.as_os_str().as_bytes())
    })
}
