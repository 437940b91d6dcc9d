//! Commands to the cluster's API server and container runtime.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::process::Command;

use super::{Cluster, Error, Options};
use crate::assets::packages;
use crate::command::{CommandError, command, run};
use crate::node::component::Component;
use crate::node::dns;
use crate::paths;

/// The longest time one `kubectl` or `ctr` command may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The longest time until the cluster's DNS answers with new names.
const HOSTS_LIMIT: Duration = Duration::from_secs(20);

impl Cluster {
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

    /// Whether the API server answers and says that the node is Ready.
    pub async fn node_ready(&self) -> bool {
        let condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let node = ["get", "node", self.name.as_str(), "--output", condition, "--request-timeout=5s"];
        self.kubectl(&node).await.is_ok_and(|status| status == "True")
    }

    /// Gives names outside the cluster to its DNS, replacing those of the last call, and waits until it answers with them
    /// (it looks at its file each second, and keeps an earlier answer for five).
    ///
    /// # Errors
    /// The file cannot be written, or the names do not hold within 20 s.
    pub async fn set_hosts(&self, hosts: &[(&str, Ipv4Addr)]) -> Result<(), Error> {
        let lines: String = hosts.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        paths::write(&self.folders.state("hosts"), lines)?;
        let node = self.plan.node();
        let options = Options { patience: HOSTS_LIMIT, ..Options::default() };
        for &(name, address) in hosts {
            let ask = || async move {
                let answer = dns::lookup(node, name).await?;
                let wrong = || io::Error::other(format!("{name} is still {answer}, not {address}"));
                if answer == address { Ok(()) } else { Err(wrong()) }
            };
            self.wait((Component::Dns, "the names of other hosts"), &options, ask).await?;
        }
        Ok(())
    }

    /// Runs `ctr` on the node's container runtime.
    pub(super) async fn ctr(&self, arguments: &[&str]) -> Result<String, CommandError> {
        let socket = self.folders.containerd_socket();
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(socket).arg("--namespace=k8s.io").args(arguments).env("PATH", packages::search_path());
        run(ctr, b"", LIMIT).await
    }
}
