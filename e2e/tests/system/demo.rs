//! The demo on the cluster of a kubeconfig, as `make demo CLUSTER=current IMAGES=present` runs it.

use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;
use videocloud_e2e::system::NAMESPACE;

use crate::world::World;

/// What everything of the release is labelled with.
const RELEASE: &str = "app.kubernetes.io/instance=videocloud";

async fn demo(world: &World, arguments: &[&str]) -> anyhow::Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_videocloud-demo"))
        .args(arguments)
        .args(["--cluster", "current"])
        .env("KUBECONFIG", world.kubeconfig())
        .env("PATH", format!("{}:{path}", world.programs().display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("failed to run the demo")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "the demo ended with {}:\n{said}", output.status);
    Ok(said)
}

/// It installs (here: upgrades), plays a video through a tunnel, and takes all of it away but kinds, keys and volumes. Comes last:
/// nothing is installed afterwards.
pub async fn it_runs_on_the_cluster_of_a_kubeconfig_and_leaves_nothing(world: &World) -> anyhow::Result<()> {
    let clip = world.fresh_clip("demo", 6, 4).await?;
    let (link, network) = (world.origin().url(&clip), format!("{}/32", world.origin().address().ip()));
    let said = demo(world, &["up", "--images-present", "--link", &link, "--allow-network", &network]).await?;
    ensure!(said.contains("Ready") && said.contains("frames"), "it played nothing:\n{said}");
    demo(world, &["down"]).await?;
    let left = world
        .kubectl(&["get", "all,cm,ing,netpol", "--namespace", NAMESPACE, "--output=name", "--selector", RELEASE])
        .await?;
    ensure!(left.trim().is_empty(), "left behind: {left}");
    let video = world.kubectl(&["get", "vo", "bunny", "--namespace", "default", "--ignore-not-found"]).await?;
    ensure!(video.trim().is_empty(), "the sample is left: {video}");
    Ok(())
}
