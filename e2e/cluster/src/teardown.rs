//! Removes a cluster whole, in whatever state it is: everything is found by group, path or name, nothing by memory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use serde::Deserialize;

use crate::cgroup::{CgroupError, Tree};
use crate::name::ClusterName;
use crate::network::NetworkError;
use crate::network::namespace::Namespace;
use crate::node::plan::{self, PlanError};
use crate::paths::{self, Folders, PathError};

/// Where CNI keeps its notes on every attachment of every network.
const CNI_NOTES: &str = "/var/lib/cni/results";

/// Where kubelet links the logs of all containers, whatever its own folder is.
const LOG_LINKS: &str = "/var/log/containers";

/// Something of a cluster could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    /// A mount stayed.
    #[error("failed to unmount {0}: {1}")]
    Unmount(PathBuf, nix::Error),
    /// Processes or groups stayed.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The network stayed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The claim or the bridge stayed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file stayed.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Ends all processes and removes everything but the state folder and the claim to a place.
pub(crate) async fn stop(folders: &Folders, tree: &Tree, namespace: &Namespace) -> Result<(), TeardownError> {
    tree.kill().await?;
    remove_shim_sockets(&folders.run)?;
    for mount in mounts_below(&[&folders.state, &folders.run])? {
        umount2(&mount, MntFlags::MNT_DETACH).map_err(|error| TeardownError::Unmount(mount, error))?;
    }
    remove_cni_notes(&folders.run)?;
    remove_log_links(&folders.state("pods"))?;
    namespace.remove().await?;
    tree.remove()?;
    Ok(paths::remove(&folders.run)?)
}

/// Removes everything. The state folder goes last but the claim, so that an interrupted removal can be run again.
pub(crate) async fn remove(
    name: &ClusterName,
    folders: &Folders,
    tree: &Tree,
    namespace: &Namespace,
) -> Result<(), TeardownError> {
    stop(folders, tree, namespace).await?;
    paths::remove(&folders.state)?;
    Ok(plan::release(name).await?)
}

/// The mount points below the folders, the deepest first.
pub(crate) fn mounts_below(folders: &[&Path]) -> Result<Vec<PathBuf>, PathError> {
    let table = Path::new("/proc/self/mounts");
    let text = fs::read(table).map_err(PathError::io("read", table))?;
    let points = text.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(1));
    let mut found: Vec<_> =
        points.map(unescape).filter(|point| folders.iter().any(|folder| point.starts_with(folder))).collect();
    found.reverse();
    Ok(found)
}

/// A path of the mount table, where blanks and backslashes are octal numbers.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\');
        path.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(path))
}

/// Shims listen on sockets in a folder all runtimes share; each is named in its container's folder.
fn remove_shim_sockets(run: &Path) -> Result<(), PathError> {
    for task in entries(&run.join("containerd/io.containerd.runtime.v2.task/k8s.io"))? {
        let address = fs::read_to_string(task.join("address")).unwrap_or_default();
        if let Some(socket) = address.strip_prefix("unix://") {
            paths::remove(Path::new(socket))?;
        }
    }
    Ok(())
}

/// CNI's notes say in which network namespace an interface was made; those of this cluster's pods are below its folder.
fn remove_cni_notes(run: &Path) -> Result<(), PathError> {
    #[derive(Deserialize)]
    struct Note {
        result: Outcome,
    }
    #[derive(Deserialize)]
    struct Outcome {
        interfaces: Vec<Interface>,
    }
    #[derive(Deserialize)]
    struct Interface {
        sandbox: Option<PathBuf>,
    }
    for path in entries(Path::new(CNI_NOTES))? {
        let note = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        let interfaces = note.map(|note| note.result.interfaces).unwrap_or_default();
        let mut namespaces = interfaces.into_iter().filter_map(|interface| interface.sandbox);
        if namespaces.any(|namespace| namespace.starts_with(run)) {
            paths::remove(&path)?;
        }
    }
    Ok(())
}

fn remove_log_links(pods: &Path) -> Result<(), PathError> {
    for link in entries(Path::new(LOG_LINKS))? {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(pods)) {
            paths::remove(&link)?;
        }
    }
    Ok(())
}

/// What is in a folder; nothing when it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, PathError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(PathError::io("list", folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_mount_points_are_read() {
        assert_eq!(unescape(br"/a\040b\134c"), PathBuf::from(r"/a b\c"));
        assert_eq!(unescape(br"/a\04"), PathBuf::from(r"/a\04"));
    }
}
