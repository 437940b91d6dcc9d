//! Removes a cluster whole, in whatever state it is: everything is found by group, path or name, nothing by memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cgroup::{CgroupError, Tree};
use crate::mounts;
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
    mounts::detach_below(&[&folders.state, &folders.run])?;
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
