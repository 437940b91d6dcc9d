//! The demo on the cluster of a kubeconfig, as `make demo CLUSTER=current IMAGE_REPOSITORY=...` runs it: images through a real
//! registry, the chart on a cluster that has nothing of ours, a video from apply to playing, and all of it taken away again.

use std::{
    fs::File,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use videocloud_cluster::{Cluster, Options};
use videocloud_e2e::{clip, origin::Origin, system::NAMESPACE, testbed};

const CLUSTER: &str = "vc-e2e-current";
/// What everything of the release is labelled with.
const RELEASE: &str = "app.kubernetes.io/instance=videocloud";
const CLIP: &str = "another-clusters.mp4";

#[test]
fn the_demo_runs_on_the_cluster_of_a_kubeconfig_and_leaves_nothing() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new()?.block_on(async {
        let cluster = Cluster::up(CLUSTER, &Options::default()).await?;
        let outcome = scenario(&cluster).await;
        if outcome.is_err() {
            let everything = ["get", "pods,jobs,vo,tj,events", "--all-namespaces", "--output=wide"];
            println!("{}", cluster.kubectl(&everything).await.unwrap_or_else(|error| error.to_string()));
        }
        cluster.down().await?;
        outcome
    })
}

async fn scenario(cluster: &Cluster) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let host = IpAddr::V4(cluster.host_ip());
    let (_registry, address) = registry(host, scratch.path()).await?;
    cluster.allow_plain_registry(address)?;
    clip::synthesise(&testbed::tools()?.join("ffmpeg"), &scratch.path().join(CLIP), 6, 41).await?;
    let origin = Origin::start(host, 0, scratch.path()).await?;

    let repository = format!("http://{address}/team/videocloud");
    let (link, network) = (origin.url(CLIP), format!("{host}/32"));
    let up = ["up", "--image-repository", &repository, "--link", &link, "--allow-network", &network];
    let said = demo(cluster, &up).await?;
    ensure!(said.contains("Ready") && said.contains("frames"), "it played nothing:\n{said}");
    let images = ["get", "pods", "--namespace", NAMESPACE, "--output=jsonpath={..image}"];
    let images = cluster.kubectl(&images).await?;
    let pulled = format!("{address}/team/videocloud/");
    ensure!(images.split_whitespace().all(|image| image.starts_with(&pulled)), "not from the registry: {images}");

    demo(cluster, &["down"]).await?;
    let all = ["get", "all,cm,ing,netpol", "--namespace", NAMESPACE, "--output=name", "--selector", RELEASE];
    let left = cluster.kubectl(&all).await?;
    ensure!(left.trim().is_empty(), "left behind: {left}");
    let video = cluster.kubectl(&["get", "vo", "bunny", "--namespace", "default", "--ignore-not-found"]).await?;
    ensure!(video.trim().is_empty(), "the sample is left: {video}");
    Ok(())
}

async fn demo(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = cluster.program("kubectl");
    let programs = programs.parent().context("kubectl is in no folder")?;
    let output = Command::new(env!("CARGO_BIN_EXE_videocloud-demo"))
        .args(arguments)
        .args(["--cluster", "current"])
        .env("KUBECONFIG", cluster.kubeconfig_path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("failed to run the demo")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "the demo ended with {}:\n{said}", output.status);
    Ok(said)
}

/// Debian's registry, which speaks HTTP without TLS, at a port of its own.
async fn registry(host: IpAddr, folder: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let address = TcpListener::bind((host, 0))?.local_addr()?;
    let config = folder.join("registry.yml");
    let (storage, log) = (folder.join("registry"), folder.join("registry.log"));
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '{address}'}}\n",
        storage.display()
    );
    std::fs::write(&config, text)?;
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .kill_on_drop(true)
        .spawn()
        .context("failed to run docker-registry; `make setup` installs it")?;
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        listens = timeout(Duration::from_secs(30), listens) => listens.context("the registry does not listen")?,
        ended = child.wait() => bail!("the registry ended: {}\n{}", ended?, std::fs::read_to_string(&log)?),
    }
    Ok((child, address))
}
