//! The demo on a cluster of its own on this machine, with the origin in this process.

use std::net::IpAddr;

use anyhow::Context;
use videocloud_cluster::{Cluster, Progress};
use videocloud_e2e::{
    clip,
    origin::Origin,
    testbed::{self, Store, Testbed},
};

use crate::{place::Place, steps::Step};

const CLUSTER: &str = "vc-demo";
const EDGE_PORT: u16 = 30080;
const CLIP: &str = "bigbuckbunny.mp4";

/// Brings up what is missing.
pub async fn up() -> anyhow::Result<Place> {
    let step = Step::begin("cluster", "a Kubernetes node in a network namespace, the images, the chart");
    let bed = Testbed::up(CLUSTER, EDGE_PORT, Store::Default, Progress::Told).await?;
    let cluster = bed.cluster();
    let version = cluster.kubectl(&["get", "nodes", "--output=jsonpath={.items[0].status.nodeInfo.kubeletVersion}"]);
    let version = version.await.context("failed to ask the node for its version")?;
    step.done(&format!("{CLUSTER}: Kubernetes {} at {}, videocloud installed", version.trim(), cluster.node_ip()));

    let step = Step::begin("origin", "an HTTP server outside the cluster with a real clip");
    let file = clip::fetch(&testbed::cache()?).await?;
    let folder = file.parent().context("the clip is in no folder")?;
    let origin = Origin::start(IpAddr::V4(cluster.host_ip()), 0, folder).await?;
    let link = origin.url(CLIP);
    step.done(&link);

    Ok(Place {
        objects: bed.system().objects().await?,
        link,
        digest: Some(clip::SHA256.to_owned()),
        origin: Some((origin, CLIP.to_owned())),
        kubectl: format!(
            "{} --kubeconfig {}",
            cluster.program("kubectl").display(),
            cluster.kubeconfig_path().display()
        ),
        tools: bed.tools().to_owned(),
        removal: "make demo-down",
        _tunnel: None,
    })
}

/// Removes the cluster and everything in it.
pub async fn down() -> anyhow::Result<()> {
    let step = Step::begin("cluster", "removing");
    Cluster::remove(CLUSTER).await.context("failed to remove the cluster of the demo")?;
    step.done("gone; what was built stays in the cache for the next time");
    Ok(())
}
