//! The programs a node is made of: found where the user put them, or built once from pinned sources into the cache.
//! Debian's part of the node (container runtime, CNI, network tools) is in [`packages`].

mod build;
pub mod packages;

use std::env;
use std::path::{Path, PathBuf};

use crate::command::CommandError;
use crate::paths::{self, PathError};
use crate::progress::Progress;

/// Every program of the Kubernetes side, by the name it is called with.
const PROGRAMS: [&str; 10] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "kubectl",
    "helm",
    "pause",
];

/// The release of Kubernetes that is built when none is given.
pub const KUBERNETES: &str = "v1.36.4";

/// The release of helm that is built when none is given.
const HELM: &str = "v4.2.0";

/// No complete set of programs could be found or made.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// `$VIDEOCLOUD_ASSETS` names a folder that lacks a program.
    #[error("failed to find {program} in VIDEOCLOUD_ASSETS={folder}: put it there, or unset the variable to build it")]
    Missing {
        /// The program that is absent.
        program: &'static str,
        /// The folder that was named.
        folder: PathBuf,
    },
    /// Nothing was found and there is no compiler.
    #[error(
        "failed to build the programs of a Kubernetes node: no `go` in PATH; install Go 1.26, or set VIDEOCLOUD_ASSETS to a folder with {}",
        PROGRAMS.join(", ")
    )]
    NoCompiler,
    /// The build failed.
    #[error("failed to build the programs of a Kubernetes node (log: {log}): {said}")]
    Build {
        /// The whole output of the compiler.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },
    /// A Debian package is absent and could not be installed.
    #[error("failed to install what a node needs: run `apt-get install --no-install-recommends {packages}`: {reason}")]
    Packages {
        /// Names, separated by spaces.
        packages: String,
        /// Why they were not installed.
        reason: String,
    },
    /// An external command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A folder or lock could not be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A complete set of programs in one folder.
#[derive(Debug, Clone)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Finds the programs in `$VIDEOCLOUD_ASSETS`, in PATH, or in the cache, or builds them there (minutes, once).
    ///
    /// # Errors
    /// A named folder is incomplete, or the build fails.
    pub async fn obtain(progress: Progress) -> Result<Self, AssetError> {
        if let Some(folder) = env::var_os("VIDEOCLOUD_ASSETS").filter(|folder| !folder.is_empty()) {
            let folder = PathBuf::from(folder);
            return match absent_from(&folder) {
                None => Ok(Self { folder }),
                Some(program) => Err(AssetError::Missing { program, folder }),
            };
        }
        let search = env::var_os("PATH").unwrap_or_default();
        if let Some(folder) = env::split_paths(&search).find(|folder| absent_from(folder).is_none()) {
            return Ok(Self { folder });
        }
        let home = paths::cache()?.join("assets").join(build::fingerprint());
        let folder = home.join("bin");
        if absent_from(&folder).is_some() {
            build::build(&home, &folder, progress).await?;
        }
        Ok(Self { folder })
    }

    /// The folder that holds the programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one program, for example `kubectl` or `helm`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The first program a folder lacks.
fn absent_from(folder: &Path) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| !folder.join(program).is_file())
}
