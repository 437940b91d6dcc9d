//! Where things are kept: the cache of built programs, and each cluster's folders. Nothing here reads or writes a cluster.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::name::ClusterName;

/// Sockets and claims of running clusters live here: short paths, and gone after a reboot.
const RUN: &str = "/run/videocloud";

/// A failure to use one of the folders.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// No cache folder was named and there is no home to put one in.
    #[error("failed to choose a cache folder: set VIDEOCLOUD_CACHE or HOME to a folder")]
    NoCache,
    /// A folder, file or lock could not be used.
    #[error("failed to {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl PathError {
    /// Wraps an I/O error with what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// The cache's root: `$VIDEOCLOUD_CACHE`, else `$HOME/.cache/videocloud`.
///
/// # Errors
/// Neither variable is set.
pub fn cache() -> Result<PathBuf, PathError> {
    let named = env::var_os("VIDEOCLOUD_CACHE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache/videocloud"));
    let chosen = named.or_else(home).ok_or(PathError::NoCache)?;
    std::path::absolute(&chosen).map_err(PathError::io("resolve", &chosen))
}

/// The folder of what must not outlive a reboot.
pub(crate) fn run() -> &'static Path {
    Path::new(RUN)
}

/// The folders of one cluster.
#[derive(Debug, Clone)]
pub struct Folders {
    /// All that is on disk: certificates, etcd's data, images, volumes, logs.
    pub state: PathBuf,
    /// Sockets and the container runtime's state.
    pub run: PathBuf,
}

impl Folders {
    /// The folders of the cluster `name` under the cache's root.
    pub fn of(cache: &Path, name: &ClusterName) -> Self {
        Self { state: cache.join("clusters").join(name.as_str()), run: run().join("clusters").join(name.as_str()) }
    }

    /// A path inside the state folder.
    pub fn state(&self, inner: &str) -> PathBuf {
        self.state.join(inner)
    }

    /// The log of a component.
    pub fn log(&self, component: &str) -> PathBuf {
        self.state.join("log").join(format!("{component}.log"))
    }

    /// The container runtime's socket.
    pub fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }
}

/// An exclusive lock on a file, held until dropped; the kernel drops it when the process dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing the file is what releases the lock")] File);

impl Lock {
    /// Waits for the lock on `path`, which is made when absent. `waiting` is called once if somebody else holds it.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub async fn take(path: &Path, waiting: impl FnOnce()) -> Result<Self, PathError> {
        make_folder(path.parent().unwrap_or(Path::new("/")))?;
        let open = File::options().create(true).append(true).open(path);
        let file = open.map_err(PathError::io("open lock", path))?;
        match file.try_lock() {
            Ok(()) => return Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => waiting(),
            Err(fs::TryLockError::Error(source)) => {
                return Err(PathError::io("lock", path)(source));
            }
        }
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        let locked = locked.map_err(io::Error::other).and_then(|locked| locked);
        locked.map(Self).map_err(PathError::io("lock", path))
    }
}

/// Makes a folder and its parents.
pub(crate) fn make_folder(path: &Path) -> Result<(), PathError> {
    fs::create_dir_all(path).map_err(PathError::io("make folder", path))
}

/// Writes a file whole or not at all: readers see the old text or the new one.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), PathError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, content).map_err(PathError::io("write", &partial))?;
    fs::rename(&partial, path).map_err(PathError::io("write", path))
}

/// Removes a file or a folder with all inside; absence is success.
pub(crate) fn remove(path: &Path) -> Result<(), PathError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(absent) => Err(absent),
    };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PathError::io("remove", path)(source)),
        _ => Ok(()),
    }
}
