//! One cluster from the outside: up, down, where it is and what it holds.

mod administer;
mod boot;
mod components;
mod images;
mod volumes;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::assets::{AssetError, Assets, packages};
use crate::cgroup::{CgroupError, Tree};
use crate::command::CommandError;
use crate::faults::container::ContainerError;
use crate::name::{ClusterName, InvalidName};
use crate::network::NetworkError;
use crate::network::namespace::Namespace;
use crate::node::certificates::CertificateError;
use crate::node::plan::{self, Plan, PlanError};
use crate::paths::{self, Folders, Lock, PathError};
use crate::process::ProcessError;
use crate::progress::Progress;
use crate::ready::NotReady;
use crate::teardown::{self, TeardownError};

/// How a cluster is brought up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where progress is told.
    pub progress: Progress,
    /// The time each part of the node has to become ready.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { progress: Progress::Silent, patience: Duration::from_secs(90) }
    }
}

/// A cluster could not be brought up, used or taken down.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is the error of the module it is named after")]
pub enum Error {
    /// Namespaces, mounts and control groups need root.
    #[error(
        "failed to manage a local cluster: run this as root (it makes network namespaces, mounts and control groups)"
    )]
    NotRoot,
    /// There is no such cluster.
    #[error("failed to find cluster {0}: start it with `videocloud-cluster up {0}`")]
    Unknown(ClusterName),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Assets(#[from] AssetError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error(transparent)]
    Teardown(#[from] TeardownError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A local cluster. Dropping this leaves it running; [`Cluster::down`] removes it.
#[derive(Debug)]
pub struct Cluster {
    name: ClusterName,
    plan: Plan,
    folders: Folders,
    namespace: Namespace,
    tree: Tree,
}

impl Cluster {
    /// Brings the cluster up, or back up: returns when the node is Ready, services and DNS answer and volumes are there.
    /// A cluster that runs is left as it is; one that cannot be repaired is made anew.
    ///
    /// # Errors
    /// The user is not root, the programs cannot be obtained, or a part does not become ready in a fresh cluster.
    pub async fn up(name: &str, options: &Options) -> Result<Self, Error> {
        let name: ClusterName = name.parse()?;
        require_root()?;
        packages::ensure(packages::NODE, options.progress).await?;
        let assets = Assets::obtain(options.progress).await?;
        let (folders, _lock) = Self::lock(&name, options.progress).await?;
        let existed = folders.state.exists();
        paths::make_folder(&folders.state)?;
        let plan = plan::claim(&name, &folders.state, assets.folder()).await?;
        let tree = Tree::of(&name)?;
        let namespace = Namespace::of(&name, plan.index);
        let cluster = Self { name, plan, folders, namespace, tree };

        let saved = Plan::saved(&cluster.folders.state);
        let fits = saved.as_ref() == Some(&cluster.plan);
        if existed && fits {
            match cluster.converge(options).await {
                Ok(()) => return Ok(cluster),
                Err(error) => options.progress.note(&format!("{error}; making the cluster anew")),
            }
        }
        if existed {
            let before = saved.map_or(cluster.plan.index, |saved| saved.index);
            cluster.discard(before).await?;
        }
        cluster.converge(options).await?;
        Ok(cluster)
    }

    /// A cluster that was brought up before, whether or not it runs now.
    ///
    /// # Errors
    /// The name is not valid, or there is no such cluster.
    pub fn find(name: &str) -> Result<Self, Error> {
        let name: ClusterName = name.parse()?;
        let folders = Folders::of(&paths::cache()?, &name);
        let plan = Plan::saved(&folders.state).ok_or_else(|| Error::Unknown(name.clone()))?;
        let namespace = Namespace::of(&name, plan.index);
        Ok(Self { tree: Tree::of(&name)?, name, plan, folders, namespace })
    }

    /// Removes the cluster called `name` whatever is left of it: processes, mounts, network, control groups, files.
    /// Success if there was none.
    ///
    /// # Errors
    /// Something resists removal; it can be run again.
    pub async fn remove(name: &str) -> Result<(), Error> {
        let name: ClusterName = name.parse()?;
        require_root()?;
        let (folders, _lock) = Self::lock(&name, Progress::Told).await?;
        let index = Plan::saved(&folders.state).map_or(0, |plan| plan.index);
        let namespace = Namespace::of(&name, index);
        teardown::remove(&name, &folders, &Tree::of(&name)?, &namespace).await?;
        Ok(())
    }

    /// Removes this cluster; see [`Cluster::remove`].
    ///
    /// # Errors
    /// Something resists removal; it can be run again.
    pub async fn down(self) -> Result<(), Error> {
        Self::remove(self.name.as_str()).await
    }

    async fn lock(name: &ClusterName, progress: Progress) -> Result<(Folders, Lock), Error> {
        let cache = paths::cache()?;
        let waiting = || progress.note(&format!("waiting for another command on cluster {name}"));
        let lock = Lock::take(&paths::run().join(format!("{name}.lock")), waiting).await?;
        Ok((Folders::of(&cache, name), lock))
    }

    /// Empties the cluster's folders and ends its processes; its place on the machine stays.
    async fn discard(&self, former_index: u8) -> Result<(), Error> {
        let namespace = Namespace::of(&self.name, former_index);
        teardown::stop(&self.folders, &self.tree, &namespace).await?;
        Ok(paths::remove(&self.folders.state)?)
    }

    /// Its name, which is also the node's.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// The node's address: the API server is at port 6443, NodePorts beside it, for the host and for other clusters.
    pub fn node_ip(&self) -> Ipv4Addr {
        self.plan.node()
    }

    /// The host's address as the pods see it: a server that the host runs for them binds to it.
    pub fn host_ip(&self) -> Ipv4Addr {
        self.plan.host()
    }

    /// All its addresses.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The network namespace of the node.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The control groups that hold every process of the node and its pods.
    pub fn cgroups(&self) -> &Tree {
        &self.tree
    }

    /// Its folders; volumes, logs and the container runtime's socket are there.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The administrator's kubeconfig, which needs no other file.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folders.state("pki/admin.kubeconfig")
    }

    /// A program that came with the cluster, `kubectl` or `helm`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.plan.programs.join(name)
    }
}

/// The names of all clusters in the cache.
///
/// # Errors
/// The cache cannot be read.
pub fn names() -> Result<Vec<ClusterName>, Error> {
    let folder = paths::cache()?.join("clusters");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).map_err(PathError::io("list", &folder))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

fn require_root() -> Result<(), Error> {
    if nix::unistd::Uid::effective().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}
