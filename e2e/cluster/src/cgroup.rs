//! A cluster's control groups: one tree holds every process of the node and its pods, so that all can be found and
//! ended, whatever became of their parents. Works with the hierarchies of version 1 and the single one of version 2.
//!
//! `videocloud-NAME/node/COMPONENT` holds a component; kubelet makes `videocloud-NAME/kubepods` for the pods.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::name::ClusterName;
use crate::paths::PathError;

/// How long killed processes may take to disappear.
const DEATH: Duration = Duration::from_secs(20);

/// The control groups could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No hierarchy is mounted.
    #[error("failed to find a control group hierarchy: mount one at /sys/fs/cgroup")]
    NotMounted,
    /// Version 2: the controllers cannot be handed down.
    #[error(
        "failed to enable controllers in {path}: {source}; inside a container, move its processes out of that group first"
    )]
    Controllers {
        /// The file of the group whose children should get them.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Processes did not die.
    #[error("failed to end processes {0:?}: they survived SIGKILL (uninterruptible input or output?)")]
    Immortal(Vec<i32>),
    /// A group's files could not be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The control groups of one cluster.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The cluster's group in each hierarchy; the first is the one by which processes are found.
    roots: Vec<PathBuf>,
    unified: bool,
    name: String,
}

impl Tree {
    /// Finds the hierarchies.
    pub(crate) fn of(cluster: &ClusterName) -> Result<Self, CgroupError> {
        let table = Path::new("/proc/self/mounts");
        let mounts = fs::read_to_string(table).map_err(PathError::io("read", table))?;
        let mut hierarchies = hierarchies(&mounts);
        // Every hierarchy knows all processes; pids is the one that kubelet always fills.
        hierarchies.sort_by_key(|mount| mount.file_name().is_none_or(|name| name != "pids"));
        if hierarchies.is_empty() {
            return Err(CgroupError::NotMounted);
        }
        let unified = hierarchies[0].join("cgroup.controllers").exists();
        let name = format!("videocloud-{cluster}");
        Ok(Self { roots: hierarchies.iter().map(|mount| mount.join(&name)).collect(), unified, name })
    }

    /// Where the pods' groups start, as kubelet wants it.
    pub(crate) fn kubelet_root(&self) -> String {
        format!("/{}", self.name)
    }

    /// Makes the cluster's group everywhere. Kubelet needs it beforehand, and refuses version 1 groups without CPUs.
    pub(crate) fn create(&self) -> Result<(), CgroupError> {
        for root in &self.roots {
            make(root)?;
            let parent = root.parent().unwrap_or(Path::new("/"));
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if !self.unified && root.join(file).exists() {
                    let given = read(&parent.join(file))?;
                    write(&root.join(file), given.trim())?;
                }
            }
        }
        if self.unified {
            for group in [self.roots[0].parent().unwrap_or(Path::new("/")), &self.roots[0]] {
                hand_down(group)?;
            }
        }
        Ok(())
    }

    /// The file through which a process joins a component's group; the group is made when absent.
    pub(crate) fn component(&self, component: &str) -> Result<PathBuf, CgroupError> {
        let group = self.roots[0].join("node").join(component);
        make(&self.roots[0].join("node"))?;
        make(&group)?;
        Ok(group.join("cgroup.procs"))
    }

    /// The processes of a component, its children included.
    pub(crate) fn processes_of(&self, component: &str) -> Vec<Pid> {
        processes(&self.roots[0].join("node").join(component))
    }

    /// Every process of the node and its pods.
    pub fn processes(&self) -> Vec<Pid> {
        let mut all: Vec<_> = self.roots.iter().flat_map(|root| processes(root)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The groups that exist now, one for each hierarchy.
    pub fn groups(&self) -> Vec<PathBuf> {
        self.roots.iter().filter(|root| root.exists()).cloned().collect()
    }

    /// Ends every process with SIGKILL and waits until none is left.
    pub(crate) async fn kill(&self) -> Result<(), CgroupError> {
        let started = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            if started.elapsed() > DEATH {
                return Err(CgroupError::Immortal(left.into_iter().map(Pid::as_raw).collect()));
            }
            for process in left {
                // One that ended meanwhile is what was wanted.
                let _ = kill(process, Signal::SIGKILL);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Removes the groups, which must be empty of processes.
    pub(crate) fn remove(&self) -> Result<(), CgroupError> {
        for root in &self.roots {
            remove(root)?;
        }
        Ok(())
    }
}

/// The mount points in a mount table: all of version 1, and of version 2 the one beside them or the only one.
fn hierarchies(mounts: &str) -> Vec<PathBuf> {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.filter(|fields| matches!(fields.get(2), Some(&"cgroup" | &"cgroup2")));
    let mut points: Vec<_> = found.map(|fields| PathBuf::from(fields[1])).collect();
    points.dedup();
    points
}

/// Enables every controller of a version 2 group for its children.
fn hand_down(group: &Path) -> Result<(), CgroupError> {
    let available = read(&group.join("cgroup.controllers"))?;
    let wanted: Vec<_> = available.split_whitespace().map(|name| format!("+{name}")).collect();
    let path = group.join("cgroup.subtree_control");
    fs::write(&path, wanted.join(" ")).map_err(|source| CgroupError::Controllers { path, source })
}

fn processes(group: &Path) -> Vec<Pid> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw);
    let below = children(group).into_iter().flat_map(|child| processes(&child));
    own.chain(below).collect()
}

fn children(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn remove(group: &Path) -> Result<(), PathError> {
    for child in children(group) {
        remove(&child)?;
    }
    match fs::remove_dir(group) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PathError::io("remove", group)(source)),
        _ => Ok(()),
    }
}

fn make(group: &Path) -> Result<(), PathError> {
    match fs::create_dir(group) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(PathError::io("make", group)(source)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String, PathError> {
    fs::read_to_string(path).map_err(PathError::io("read", path))
}

fn write(path: &Path, text: &str) -> Result<(), PathError> {
    fs::write(path, text).map_err(PathError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(hierarchies(hybrid), ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"].map(PathBuf::from));
        let unified = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(hierarchies(unified), [PathBuf::from("/sys/fs/cgroup")]);
    }
}
