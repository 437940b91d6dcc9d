//! The programs of the node: started, looked at and ended one by one, or all at once.

use super::{Cluster, Error};
use crate::node::component::Component;
use crate::process::Service;

impl Cluster {
    /// Starts a component unless it runs; does not wait until it works, [`Cluster::up`] does.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, component: Component) -> Result<(), Error> {
        self.service(component).ensure(&self.tree)?;
        Ok(())
    }

    /// Ends a component with SIGKILL; what it started (running containers) stays.
    ///
    /// # Errors
    /// It does not die.
    pub async fn kill(&self, component: Component) -> Result<(), Error> {
        Ok(self.service(component).kill(&self.tree).await?)
    }

    /// Whether a component's process is there.
    pub fn running(&self, component: Component) -> bool {
        self.service(component).running(&self.tree)
    }

    /// Ends every process of the node and its pods at once, as a power cut does; disks stay. [`Cluster::up`] boots it.
    ///
    /// # Errors
    /// A process does not die.
    pub async fn kill_node(&self) -> Result<(), Error> {
        Ok(self.tree.kill().await?)
    }

    pub(crate) fn service(&self, component: Component) -> Service {
        component.service(&self.name, &self.plan, &self.folders, &self.namespace)
    }
}
