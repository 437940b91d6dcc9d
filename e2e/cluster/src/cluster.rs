//! One cluster from the outside: up, down, and what tests do to it.

use std::fmt::Display;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::assets::{AssetError, Assets, packages};
use crate::cgroup::{CgroupError, Tree};
use crate::command::{CommandError, command, run};
use crate::images::archive;
use crate::images::build::Image;
use crate::name::{ClusterName, InvalidName};
use crate::network::NetworkError;
use crate::network::namespace::Namespace;
use crate::node::certificates::{self, CertificateError};
use crate::node::component::Component;
use crate::node::plan::{self, Plan, PlanError};
use crate::node::{dns, kubelet, objects, runtime};
use crate::paths::{self, Folders, Lock, PathError};
use crate::process::ProcessError;
use crate::progress::Progress;
use crate::ready::{self, NotReady, Wait};
use crate::teardown::{self, TeardownError};

/// The longest time one `kubectl` or `ctr` command may take.
const LIMIT: Duration = Duration::from_secs(120);

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

    /// Makes and starts everything that is missing, and waits until all of it works.
    async fn converge(&self, options: &Options) -> Result<(), Error> {
        let (plan, folders) = (&self.plan, &self.folders);
        paths::make_folder(&folders.state)?;
        plan.save(&folders.state)?;
        self.namespace.ensure(plan.node(), plan.nodes, plan.pods).await?;
        self.tree.create()?;
        certificates::ensure(&self.name, plan, folders)?;
        runtime::configure(&self.name, plan, folders)?;
        kubelet::configure(plan, folders, &self.tree)?;
        dns::configure(folders)?;
        objects::make_volumes(folders)?;

        let activity = options.progress.activity(&format!("starting cluster {}", self.name), None);
        for component in [Component::Etcd, Component::ApiServer, Component::Runtime] {
            self.start(component)?;
        }
        activity.describe("waiting for the API server and the container runtime");
        tokio::try_join!(self.await_api(options), self.prepare_runtime(options))?;
        for component in [Component::ControllerManager, Component::Scheduler, Component::Kubelet, Component::Proxy] {
            self.start(component)?;
        }
        let first = objects::all(&self.name, plan, folders).to_string();
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=false", "--filename=-"];
        self.kubectl_with(&apply, first.as_bytes()).await?;
        self.start(Component::Dns)?;
        activity.describe("waiting for the node, services and DNS");
        tokio::try_join!(
            self.await_node(options),
            self.await_services(options),
            self.await_dns(options),
            self.reclaim_volumes(),
        )?;
        Ok(())
    }

    /// Waits until `attempt` shows that a component works, as long as the component lives.
    async fn wait<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        (component, what): (Component, &'static str),
        options: &Options,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let log = self.folders.log(component.name());
        let wait = Wait { what, log, limit: options.patience, alive: &|| self.running(component) };
        Ok(wait.until(attempt).await?)
    }

    async fn await_api(&self, options: &Options) -> Result<(), Error> {
        let what = (Component::ApiServer, "the API server ready");
        let node = self.plan.node();
        self.wait(what, options, || ready::listening(node, 6443)).await?;
        self.wait(what, options, || self.kubectl(&["get", "--raw=/readyz"])).await?;
        Ok(())
    }

    /// Waits for the container runtime and gives it the pause image.
    async fn prepare_runtime(&self, options: &Options) -> Result<(), Error> {
        let what = (Component::Runtime, "the container runtime working");
        self.wait(what, options, || ready::runtime_listening(&self.folders)).await?;
        let filter = format!("name=={}", runtime::PAUSE);
        let images = ["images", "list", "--quiet", &filter];
        let present = self.wait(what, options, || self.ctr(&images)).await?;
        if present.trim().is_empty() {
            let image = self.folders.state("pause.tar");
            archive::of_program(runtime::PAUSE, &self.plan.programs.join("pause"), "pause", &image)?;
            self.load(&[&image]).await?;
        }
        Ok(())
    }

    async fn await_node(&self, options: &Options) -> Result<(), Error> {
        let node = format!("node/{}", self.name);
        let ready = ["wait", "--for=condition=Ready", &node, "--timeout=5s"];
        self.wait((Component::Kubelet, "the node Ready"), options, || self.kubectl(&ready)).await?;
        // Pods cannot be made in a namespace before its service account is.
        let what = (Component::ControllerManager, "the default service account");
        let account = ["get", "serviceaccount", "default", "--namespace=default"];
        self.wait(what, options, || self.kubectl(&account)).await?;
        Ok(())
    }

    async fn await_services(&self, options: &Options) -> Result<(), Error> {
        let node = self.plan.node();
        self.wait((Component::Proxy, "services routed"), options, || ready::proxy_healthy(node)).await
    }

    async fn await_dns(&self, options: &Options) -> Result<(), Error> {
        let node = self.plan.node();
        let ask = || dns::lookup(node, "kubernetes.default.svc.cluster.local");
        self.wait((Component::Dns, "cluster DNS answering"), options, ask).await?;
        Ok(())
    }

    /// Makes the volumes whose claims were deleted empty and free again. [`Cluster::up`] does it too.
    ///
    /// # Errors
    /// The API server does not answer, or a volume's folder cannot be emptied.
    pub async fn reclaim_volumes(&self) -> Result<(), Error> {
        let phases = "jsonpath={range .items[*]}{.metadata.name} {.status.phase}{\"\\n\"}{end}";
        let listed = self.kubectl(&["get", "persistentvolumes", "--output", phases]).await?;
        for line in listed.lines() {
            let Some((volume, "Released" | "Failed")) = line.split_once(' ') else {
                continue;
            };
            let folder = objects::volume_folder(&self.folders, volume);
            if !folder.exists() {
                continue;
            }
            paths::remove(&folder)?;
            objects::make_volumes(&self.folders)?;
            let free = r#"[{"op": "remove", "path": "/spec/claimRef"}]"#;
            self.kubectl(&["patch", "persistentvolume", volume, "--type=json", "--patch", free]).await?;
        }
        Ok(())
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

    /// Runs `kubectl` as administrator and returns its output.
    ///
    /// # Errors
    /// It fails, or takes longer than two minutes.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, CommandError> {
        self.kubectl_with(arguments, b"").await
    }

    /// Runs `kubectl` as administrator with an input, for example of `apply --filename=-`.
    ///
    /// # Errors
    /// It fails, or takes longer than two minutes.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &[u8]) -> Result<String, CommandError> {
        let mut kubectl = command(self.program("kubectl"), arguments);
        kubectl.env("KUBECONFIG", self.kubeconfig_path()).env("KUBERC", "off");
        kubectl.env("KUBECACHEDIR", self.folders.state("kubectl-cache"));
        run(kubectl, input, LIMIT).await
    }

    /// Loads images from OCI or Docker archives into the node.
    ///
    /// # Errors
    /// An archive cannot be read or holds no image for this machine.
    pub async fn load(&self, archives: &[&Path]) -> Result<(), CommandError> {
        for archive in archives {
            let archive = archive.to_string_lossy();
            self.ctr(&["images", "import", &archive]).await?;
        }
        Ok(())
    }

    /// Loads built images, skipping those whose content the node has.
    ///
    /// # Errors
    /// The container runtime does not answer, or an archive cannot be read.
    pub async fn load_images(&self, images: &[Image]) -> Result<(), CommandError> {
        let present = self.ctr(&["images", "list", "--quiet"]).await?;
        for image in images {
            if !present.lines().any(|name| name == image.content) {
                self.load(&[&image.archive]).await?;
            }
            self.ctr(&["images", "tag", "--force", &image.content, &image.reference]).await?;
        }
        Ok(())
    }

    async fn ctr(&self, arguments: &[&str]) -> Result<String, CommandError> {
        let socket = self.folders.containerd_socket();
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(socket).arg("--namespace=k8s.io").args(arguments).env("PATH", packages::search_path());
        run(ctr, b"", LIMIT).await
    }

    /// Starts a component unless it runs; does not wait until it works, [`Cluster::up`] does.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, component: Component) -> Result<(), Error> {
        let service = component.service(&self.name, &self.plan, &self.folders, &self.namespace);
        service.ensure(&self.tree)?;
        Ok(())
    }

    /// Ends a component with SIGKILL; what it started (running containers) stays.
    ///
    /// # Errors
    /// It does not die.
    pub async fn kill(&self, component: Component) -> Result<(), Error> {
        let service = component.service(&self.name, &self.plan, &self.folders, &self.namespace);
        Ok(service.kill(&self.tree).await?)
    }

    /// Whether a component's process is there.
    pub fn running(&self, component: Component) -> bool {
        let service = component.service(&self.name, &self.plan, &self.folders, &self.namespace);
        service.running(&self.tree)
    }

    /// Ends every process of the node and its pods at once, as a power cut does; disks stay. [`Cluster::up`] boots it.
    ///
    /// # Errors
    /// A process does not die.
    pub async fn kill_node(&self) -> Result<(), Error> {
        Ok(self.tree.kill().await?)
    }

    /// Pulls the node's cable: neither the host nor another cluster reaches it until [`Cluster::connect`].
    ///
    /// # Errors
    /// The cable is not there.
    pub async fn disconnect(&self) -> Result<(), Error> {
        Ok(self.namespace.plug(false).await?)
    }

    /// Plugs the node's cable in again.
    ///
    /// # Errors
    /// The cable is not there.
    pub async fn connect(&self) -> Result<(), Error> {
        Ok(self.namespace.plug(true).await?)
    }

    /// Gives names outside the cluster to its DNS, replacing those of the last call; they hold within two seconds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_hosts(&self, hosts: &[(&str, Ipv4Addr)]) -> Result<(), Error> {
        let lines: String = hosts.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        Ok(paths::write(&self.folders.state("hosts"), lines)?)
    }

    /// Whether the API server answers and says that the node is Ready.
    pub async fn node_ready(&self) -> bool {
        let condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let node = ["get", "node", self.name.as_str(), "--output", condition, "--request-timeout=5s"];
        self.kubectl(&node).await.is_ok_and(|status| status == "True")
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
