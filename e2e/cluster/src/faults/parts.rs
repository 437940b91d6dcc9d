//! Parts of the node that are restarted or stop answering.

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, Error, Options};
use crate::node::component::Component;
use crate::ready;

/// The port at which a kubelet answers the API server.
const KUBELET: u16 = 10250;

/// The ports at which the controller manager and the scheduler tell how they are.
const CONTROLLERS: (u16, u16) = (10257, 10259);

impl Cluster {
    /// Ends a component with SIGKILL, starts it again and waits until it answers. Containers live on.
    ///
    /// # Errors
    /// It does not die, cannot be started, or does not answer in time.
    pub async fn restart(&self, component: Component, options: &Options) -> Result<(), Error> {
        self.kill(component).await?;
        self.start(component)?;
        let node = self.node_ip();
        let answers = |what, port| self.wait((component, what), options, move || ready::listening(node, port));
        match component {
            Component::Etcd | Component::ApiServer => self.await_api(options).await,
            Component::Runtime => self.await_runtime(options).await,
            Component::ControllerManager => answers("the controller manager answering", CONTROLLERS.0).await,
            Component::Scheduler => answers("the scheduler answering", CONTROLLERS.1).await,
            Component::Kubelet => answers("the kubelet answering", KUBELET).await,
            Component::Proxy => self.await_services(options).await,
            Component::Dns => self.await_dns(options).await,
        }
    }

    /// Stops a component in its tracks: its connections stay open and nothing is answered, until [`Cluster::thaw`].
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self, component: Component) -> Result<(), Error> {
        Ok(self.service(component).signal(self.cgroups(), Signal::SIGSTOP)?)
    }

    /// Lets a frozen component go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self, component: Component) -> Result<(), Error> {
        Ok(self.service(component).signal(self.cgroups(), Signal::SIGCONT)?)
    }
}
