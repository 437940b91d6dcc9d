//! The walls around ffmpeg: it decodes bytes from strangers, so it gets no sockets and only the files of its own work.
//!
//! Two kernel mechanisms, both without privileges: a seccomp filter ([`syscalls`]) and a Landlock rule set ([`files`]), besides
//! plain resource limits ([`limits`]). Both walls bind the calling *thread* and everything it starts, so [`Sandbox::spawn`] enters them on a thread that exists only to start
//! the child. That needs no code between fork and exec, hence no `unsafe`. What the child is asked to do lives elsewhere.

mod files;
mod limits;
mod syscalls;

use std::path::PathBuf;

pub use files::FileConfinement;

/// What one child may touch.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The program that is started (read and execute).
    pub program: PathBuf,
    /// Files or folders it may read.
    pub readable: Vec<PathBuf>,
    /// Folders in which it may do everything.
    pub writable: Vec<PathBuf>,
}

/// Why a child could not be started inside its walls.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The seccomp filter could not be built or installed; the child was not started.
    #[error("failed to deny sockets to {program}: {reason}")]
    Syscalls {
        /// The program that was not started.
        program: String,
        /// What the kernel or the filter compiler said.
        reason: String,
    },
    /// The Landlock rule set could not be applied; the child was not started.
    #[error("failed to confine the files of {program}: {source}")]
    Files {
        /// The program that was not started.
        program: String,
        /// What the kernel said.
        #[source]
        source: landlock::RulesetError,
    },
    /// The resource limits could not be set; the child was killed.
    #[error("failed to limit the resources of {program}: {source}")]
    Limits {
        /// The program.
        program: String,
        /// What the kernel said.
        #[source]
        source: rustix::io::Errno,
    },
    /// The program could not be executed.
    #[error("failed to start {program}: {source}")]
    Spawn {
        /// The program that was not started.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Sandbox {
    /// Starts `command` inside the walls and tells how far the kernel could confine its files.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`SandboxError`] when a wall cannot be raised (the child is then not started) or the program does not start.
    pub fn spawn(
        &self,
        mut command: tokio::process::Command,
    ) -> Result<(tokio::process::Child, FileConfinement), SandboxError> {
        let runtime = tokio::runtime::Handle::current();
        std::thread::scope(|scope| {
            let starter = scope.spawn(|| {
                let _inside = runtime.enter();
                let confinement = self.enter()?;
                let child = command.spawn().map_err(|source| SandboxError::Spawn { program: self.name(), source })?;
                let limited = child.id().map_or(Ok(()), limits::apply);
                // On an error the child is dropped, which kills it.
                limited.map_err(|source| SandboxError::Limits { program: self.name(), source })?;
                Ok((child, confinement))
            });
            starter.join().unwrap_or_else(|_| {
                Err(SandboxError::Spawn {
                    program: self.name(),
                    source: std::io::Error::other("the starting thread panicked"),
                })
            })
        })
    }

    /// Raises both walls around the calling thread, for good.
    fn enter(&self) -> Result<FileConfinement, SandboxError> {
        let confinement =
            files::confine(self).map_err(|source| SandboxError::Files { program: self.name(), source })?;
        syscalls::deny().map_err(|reason| SandboxError::Syscalls { program: self.name(), reason })?;
        Ok(confinement)
    }

    fn name(&self) -> String {
        self.program.display().to_string()
    }
}
