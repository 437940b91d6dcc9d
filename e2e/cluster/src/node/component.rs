//! The programs of a node and their command lines.

use std::fmt;
use std::str::FromStr;

use super::plan::Plan;
use crate::name::ClusterName;
use crate::network::namespace::Namespace;
use crate::paths::Folders;
use crate::process::Service;

/// A program of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The database of the API server.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// containerd; the containers' shims are processes of their own and outlive it.
    Runtime,
    /// kubelet.
    Kubelet,
    /// kube-proxy.
    Proxy,
    /// CoreDNS.
    Dns,
}

impl Component {
    /// All of them, in the order they are started.
    pub const ALL: [Self; 8] = [
        Self::Etcd,
        Self::ApiServer,
        Self::Runtime,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::Proxy,
        Self::Dns,
    ];

    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Runtime => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Dns => "coredns",
        }
    }

    /// How the program is run in this cluster.
    pub(crate) fn service(self, name: &ClusterName, plan: &Plan, folders: &Folders, namespace: &Namespace) -> Service {
        let program = match self {
            Self::Runtime => "/usr/bin/containerd".into(),
            _ => plan.programs.join(self.name()),
        };
        let arguments = match self {
            Self::Etcd => etcd(folders),
            Self::ApiServer => api_server(plan, folders),
            Self::ControllerManager => controller_manager(plan, folders),
            Self::Scheduler => vec![kubeconfig(self, folders), "--leader-elect=false".to_owned()],
            Self::Runtime => vec![format!("--config={}", folders.state("containerd.toml").display())],
            Self::Kubelet => kubelet(name, plan, folders),
            Self::Proxy => proxy(name, plan, folders),
            Self::Dns => vec![format!("-conf={}", folders.state("Corefile").display())],
        };
        let log = folders.log(self.name());
        Service { name: self.name(), program, arguments, log, namespace: namespace.path() }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Not the name of a component.
#[derive(Debug, thiserror::Error)]
#[error("failed to find component {asked:?}: the components are {known}", known = Component::ALL.map(Component::name).join(", "))]
pub struct UnknownComponent {
    asked: String,
}

impl FromStr for Component {
    type Err = UnknownComponent;

    fn from_str(text: &str) -> Result<Self, UnknownComponent> {
        let found = Self::ALL.into_iter().find(|component| component.name() == text);
        found.ok_or_else(|| UnknownComponent { asked: text.to_owned() })
    }
}

/// The database is as lasting as the machine's memory: a cluster that a power cut corrupts is made anew.
fn etcd(folders: &Folders) -> Vec<String> {
    vec![
        format!("--data-dir={}", folders.state("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server(plan: &Plan, folders: &Folders) -> Vec<String> {
    let pki = folders.state("pki");
    let pki = pki.display();
    vec![
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--advertise-address={}", plan.node()),
        format!("--service-cluster-ip-range={}", plan.services),
        format!("--client-ca-file={pki}/ca.crt"),
        format!("--tls-cert-file={pki}/kube-apiserver.crt"),
        format!("--tls-private-key-file={pki}/kube-apiserver.key"),
        format!("--kubelet-client-certificate={pki}/admin.crt"),
        format!("--kubelet-client-key={pki}/admin.key"),
        format!("--kubelet-certificate-authority={pki}/ca.crt"),
        // Or logs and exec look the node's name up in DNS.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

fn controller_manager(plan: &Plan, folders: &Folders) -> Vec<String> {
    let pki = folders.state("pki");
    let pki = pki.display();
    vec![
        kubeconfig(Component::ControllerManager, folders),
        format!("--service-account-private-key-file={pki}/sa.key"),
        format!("--root-ca-file={pki}/ca.crt"),
        format!("--cluster-signing-cert-file={pki}/ca.crt"),
        format!("--cluster-signing-key-file={pki}/ca.key"),
        format!("--cluster-cidr={}", plan.pods),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
    ]
}

fn kubelet(name: &ClusterName, plan: &Plan, folders: &Folders) -> Vec<String> {
    vec![
        format!("--config={}", folders.state("kubelet.json").display()),
        kubeconfig(Component::Kubelet, folders),
        format!("--root-dir={}", folders.state("kubelet").display()),
        format!("--cert-dir={}", folders.state("kubelet/pki").display()),
        format!("--hostname-override={name}"),
        format!("--node-ip={}", plan.node()),
    ]
}

fn proxy(name: &ClusterName, plan: &Plan, folders: &Folders) -> Vec<String> {
    vec![
        kubeconfig(Component::Proxy, folders),
        format!("--cluster-cidr={}", plan.pods),
        format!("--hostname-override={name}"),
        "--proxy-mode=iptables".to_owned(),
        // What needs CAP_SYS_RESOURCE, or changes the host's connection table, is left alone.
        "--oom-score-adj=0".to_owned(),
        "--conntrack-max-per-core=0".to_owned(),
    ]
}

fn kubeconfig(component: Component, folders: &Folders) -> String {
    format!("--kubeconfig={}", folders.state(&format!("pki/{component}.kubeconfig")).display())
}
