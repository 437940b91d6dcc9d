//! Containers that crash or hang, without the API server being asked to do anything to them.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, Error};
use crate::command::CommandError;

/// A container's process could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The API server knows no running container of that name.
    #[error("failed to find container {container} of pod {namespace}/{pod}: it has not been started")]
    NotStarted {
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The container has no process on this node any more.
    #[error("failed to find the process of container {container} of pod {namespace}/{pod}: it has ended")]
    Ended {
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The API server did not answer.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Cluster {
    /// Ends a container's first process, and with it all others inside, with SIGKILL: what a crash or the kernel's memory
    /// killer does. Kubelet then does with the pod what its restart policy says.
    ///
    /// # Errors
    /// The pod has no such running container.
    pub async fn kill_container(&self, namespace: &str, pod: &str, container: &str) -> Result<(), Error> {
        self.signal_container((namespace, pod, container), Signal::SIGKILL).await
    }

    /// Stops a container's first process in its tracks, until [`Cluster::thaw_container`].
    ///
    /// # Errors
    /// The pod has no such running container.
    pub async fn freeze_container(&self, namespace: &str, pod: &str, container: &str) -> Result<(), Error> {
        self.signal_container((namespace, pod, container), Signal::SIGSTOP).await
    }

    /// Lets a frozen container go on.
    ///
    /// # Errors
    /// The pod has no such running container.
    pub async fn thaw_container(&self, namespace: &str, pod: &str, container: &str) -> Result<(), Error> {
        self.signal_container((namespace, pod, container), Signal::SIGCONT).await
    }

    async fn signal_container(&self, (space, pod, container): (&str, &str, &str), signal: Signal) -> Result<(), Error> {
        let (namespace, pod, container) = (space.to_owned(), pod.to_owned(), container.to_owned());
        let ids = format!("jsonpath={{.status.containerStatuses[?(@.name==\"{container}\")].containerID}}");
        let found = self.kubectl(&["get", "pod", &pod, "--namespace", space, "--output", &ids]).await;
        let found = found.map_err(ContainerError::Command)?;
        let Some(id) = found.strip_prefix("containerd://") else {
            return Err(ContainerError::NotStarted { namespace, pod, container }.into());
        };
        let task = self.folders().run.join("containerd/io.containerd.runtime.v2.task/k8s.io").join(id);
        let process = fs::read_to_string(task.join("init.pid")).ok().and_then(|text| text.trim().parse().ok());
        // The number may be another process's by now, but not one of this node's.
        let process = process.map(Pid::from_raw).filter(|process| self.cgroups().processes().contains(process));
        match process.map(|process| kill(process, signal)) {
            Some(Ok(())) => Ok(()),
            _ => Err(ContainerError::Ended { namespace, pod, container }.into()),
        }
    }
}
