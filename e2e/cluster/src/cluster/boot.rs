//! From nothing, or from whatever is left, to a node that works: each part is started if it does not run, and waited for
//! until it does what it is for.

use std::fmt::Display;

use super::{Cluster, Error, Options};
use crate::images::archive;
use crate::node::component::Component;
use crate::node::{certificates, dns, kubelet, objects, runtime};
use crate::paths;
use crate::ready::{self, Wait};

impl Cluster {
    /// Makes and starts everything that is missing, and waits until all of it works.
    pub(super) async fn converge(&self, options: &Options) -> Result<(), Error> {
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
    pub(crate) async fn wait<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        (component, what): (Component, &'static str),
        options: &Options,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let log = self.folders.log(component.name());
        let wait = Wait { what, log, limit: options.patience, alive: &|| self.running(component) };
        Ok(wait.until(attempt).await?)
    }

    pub(crate) async fn await_api(&self, options: &Options) -> Result<(), Error> {
        let what = (Component::ApiServer, "the API server ready");
        let node = self.plan.node();
        self.wait(what, options, || ready::listening(node, 6443)).await?;
        self.wait(what, options, || self.kubectl(&["get", "--raw=/readyz"])).await?;
        Ok(())
    }

    pub(crate) async fn await_runtime(&self, options: &Options) -> Result<(), Error> {
        let what = (Component::Runtime, "the container runtime working");
        self.wait(what, options, || ready::runtime_listening(&self.folders)).await?;
        self.wait(what, options, || self.ctr(&["version"])).await?;
        Ok(())
    }

    /// Waits for the container runtime and gives it the pause image.
    async fn prepare_runtime(&self, options: &Options) -> Result<(), Error> {
        self.await_runtime(options).await?;
        let filter = format!("name=={}", runtime::PAUSE);
        let present = self.ctr(&["images", "list", "--quiet", &filter]).await?;
        if present.trim().is_empty() {
            let image = self.folders.state("pause.tar");
            archive::of_program(runtime::PAUSE, &self.plan.programs.join("pause"), "pause", &image)?;
            self.load(&[&image]).await?;
        }
        Ok(())
    }

    pub(crate) async fn await_node(&self, options: &Options) -> Result<(), Error> {
        let node = format!("node/{}", self.name);
        let ready = ["wait", "--for=condition=Ready", &node, "--timeout=5s"];
        self.wait((Component::Kubelet, "the node Ready"), options, || self.kubectl(&ready)).await?;
        // Pods cannot be made in a namespace before its service account is.
        let what = (Component::ControllerManager, "the default service account");
        let account = ["get", "serviceaccount", "default", "--namespace=default"];
        self.wait(what, options, || self.kubectl(&account)).await?;
        Ok(())
    }

    pub(crate) async fn await_services(&self, options: &Options) -> Result<(), Error> {
        let node = self.plan.node();
        self.wait((Component::Proxy, "services routed"), options, || ready::proxy_healthy(node)).await
    }

    pub(crate) async fn await_dns(&self, options: &Options) -> Result<(), Error> {
        let node = self.plan.node();
        let ask = || dns::lookup(node, "kubernetes.default.svc.cluster.local");
        self.wait((Component::Dns, "cluster DNS answering"), options, ask).await?;
        Ok(())
    }
}
