//! The demo on the cluster of the current kubeconfig: images pushed to a registry it can pull from, the chart installed, the
//! edge reached through `kubectl port-forward`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{net::TcpStream, process::Command, time::timeout};
use videocloud_cluster::{
    Progress,
    images::{build::push, repository::Repository},
};
use videocloud_e2e::{
    system::{Images, NAMESPACE, Objects, Settings, System, repository},
    testbed,
};

use crate::{
    place::{self, Place},
    steps::Step,
};

const EDGE: (&str, u16) = ("127.0.0.1", 30080);
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the cluster has its images from.
pub enum Source {
    /// They are pushed to this repository, and pulled from it.
    Push(Repository),
    /// Its nodes have them.
    Present,
}

/// Builds, pushes and installs.
pub async fn up(source: Option<Source>, allow_networks: Vec<String>, link: String) -> anyhow::Result<Place> {
    let Some(source) = source else {
        bail!(
            "neither --image-repository nor --images-present: the current cluster has its images from somewhere; run \
             `make demo CLUSTER=current IMAGE_REPOSITORY=registry.example/videocloud`, or load the images into its nodes and \
             run `make demo CLUSTER=current IMAGES=present`"
        );
    };
    let step = Step::begin("images", "building, and pushing where they are pulled from");
    let images = testbed::images(Progress::Told).await?;
    let built = testbed::name_of(&images)?;
    let named = match source {
        Source::Push(repository) => {
            push(&images, &repository, Progress::Told).await.context("failed to push the images")?;
            Images { repository: repository.name, tag: built.tag }
        }
        Source::Present => built,
    };
    step.done(&format!("{}/PART:{}", named.repository, named.tag));

    let step = Step::begin("chart", "installing into the current cluster");
    let kubeconfig = kubeconfig()?;
    System::install(settings(&kubeconfig, named, allow_networks)).await?;
    let tunnel = forward().await?;
    step.done(&format!("namespace {NAMESPACE}"));
    Ok(Place {
        objects: Objects::open(&kubeconfig).await?,
        link,
        digest: None,
        origin: None,
        kubectl: "kubectl".to_owned(),
        tools: testbed::tools()?,
        removal: "make demo-down CLUSTER=current",
        _tunnel: Some(tunnel),
    })
}

/// Removes the sample and the release; the kinds stay, because other objects may be of them.
pub async fn down() -> anyhow::Result<()> {
    let step = Step::begin("chart", "removing the sample and the release");
    let kubeconfig = kubeconfig()?;
    let videos = Objects::open(&kubeconfig).await?.videos(place::NAMESPACE);
    match videos.delete(place::VIDEO, &kube::api::DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => drop(other.context("failed to delete the sample VideoObject")?),
    }
    let images = Images { repository: String::new(), tag: String::new() };
    System::adopt(settings(&kubeconfig, images, Vec::new())).uninstall().await?;
    step.done(
        "gone; the custom resource definitions stay (`kubectl delete crd -l app.kubernetes.io/part-of=videocloud`)",
    );
    Ok(())
}

fn settings(kubeconfig: &std::path::Path, images: Images, allow_networks: Vec<String>) -> Settings {
    Settings {
        chart: repository().join("charts/videocloud"),
        images,
        kubeconfig: kubeconfig.to_owned(),
        helm: "helm".into(),
        edge: None,
        allow_networks,
        extra: vec!["--set-string".to_owned(), format!("uploader.publicUrl=http://{}:{}", EDGE.0, EDGE.1)],
    }
}

/// The file `kubectl` would use.
fn kubeconfig() -> anyhow::Result<PathBuf> {
    if let Some(list) = std::env::var_os("KUBECONFIG") {
        let first = std::env::split_paths(&list).find(|path| path.is_file());
        return first.context("failed to find a file named by KUBECONFIG");
    }
    let home = std::env::var_os("HOME").context("neither KUBECONFIG nor HOME is set")?;
    Ok(PathBuf::from(home).join(".kube/config"))
}

/// Reaches the edge from this machine for as long as the child lives.
async fn forward() -> anyhow::Result<tokio::process::Child> {
    let mut child = Command::new("kubectl")
        .args(["port-forward", "--namespace", NAMESPACE, "service/videocloud-uploader", &format!("{}:http", EDGE.1)])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("failed to run kubectl; it has to be on the PATH")?;
    let reached = async {
        while TcpStream::connect(EDGE).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        reached = timeout(PATIENCE, reached) => reached.context("kubectl port-forward does not listen")?,
        ended = child.wait() => bail!("kubectl port-forward ended: {}", ended?),
    }
    Ok(child)
}
