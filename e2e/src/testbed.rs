//! A cluster with the system in it: images built from the programs beside this one, a local cluster, the images loaded, the
//! chart installed. What takes long is told on standard error; what is there already is not made again.

use std::path::{Path, PathBuf};

use anyhow::Context;
use videocloud_cluster::{
    Cluster, Options, Progress,
    faults::disk::SmallDisk,
    images::build::{Image, Inputs, build},
    paths,
};

use crate::system::{Images, Settings, System, repository};

/// A local cluster with the installed system.
#[derive(Debug)]
pub struct Testbed {
    cluster: Cluster,
    system: System,
    disk: Option<SmallDisk>,
    tools: PathBuf,
}

/// Where the store lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// In the cluster's default storage class.
    Default,
    /// On a volume of so many bytes of memory, which can be filled ([`Testbed::disk`]).
    Small(u64),
}

/// The storage class of [`Store::Small`].
const SMALL: &str = "small";

impl Testbed {
    /// Brings up the cluster `name` and installs the system into it; its edge is at `edge_port` of the node. Links may lead to
    /// the host although its address is private, because that is where the origin is.
    ///
    /// # Errors
    /// The message names the step: images, cluster, loading, or Helm's words.
    pub async fn up(name: &str, edge_port: u16, store: Store, progress: Progress) -> anyhow::Result<Self> {
        let options = Options { progress, ..Options::default() };
        let (images, cluster) = tokio::join!(images(progress), Cluster::up(name, &options));
        let (images, cluster) = (images?, cluster.context("failed to bring up the cluster")?);
        {
            let _activity = progress.activity("loading images", None);
            cluster.load_images(&images).await.context("failed to load images into the cluster")?;
        }
        let disk = match store {
            Store::Default => None,
            Store::Small(bytes) => Some(cluster.small_disk(SMALL, bytes).await.context("failed to make a small disk")?),
        };
        let extra = match store {
            Store::Default => Vec::new(),
            Store::Small(bytes) => vec![
                format!("--set=store.persistentVolumeClaim.storageClassName={SMALL}"),
                format!("--set-string=store.persistentVolumeClaim.size={bytes}"),
            ],
        };
        let _activity = progress.activity("installing the chart", None);
        let settings = Settings {
            chart: repository().join("charts/videocloud"),
            images: name_of(&images)?,
            kubeconfig: cluster.kubeconfig_path(),
            helm: cluster.program("helm"),
            edge: Some((cluster.node_ip(), edge_port)),
            allow_networks: vec![format!("{}/32", cluster.host_ip())],
            extra,
        };
        let system = System::install(settings).await?;
        Ok(Self { cluster, system, disk, tools: tools()? })
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The installed system.
    #[must_use]
    pub const fn system(&self) -> &System {
        &self.system
    }

    /// The disk of the store, if it is a small one.
    #[must_use]
    pub const fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// The folder with ffmpeg and ffprobe.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }
}

/// Builds the images of the programs beside this one, or finds them in the cache.
///
/// # Errors
/// A program or a tool is absent, or an image cannot be built.
pub async fn images(progress: Progress) -> anyhow::Result<Vec<Image>> {
    let inputs = Inputs { programs: programs()?, tools: None, tag: None };
    build(&inputs, progress).await.context("failed to build the images")
}

/// What the chart has to be told to find these images.
///
/// # Errors
/// There is none.
pub fn name_of(images: &[Image]) -> anyhow::Result<Images> {
    let first = images.first().context("no image was built")?;
    let (path, tag) = first.reference.rsplit_once(':').context("an image has no tag")?;
    let (repository, _) = path.rsplit_once('/').context("an image has no repository")?;
    Ok(Images { repository: repository.to_owned(), tag: tag.to_owned() })
}

/// The cache of everything that is built or fetched once: `$VIDEOCLOUD_CACHE`, or `~/.cache/videocloud`.
///
/// # Errors
/// There is no home folder.
pub fn cache() -> anyhow::Result<PathBuf> {
    paths::cache().context("failed to find the cache folder")
}

/// The folder with ffmpeg and ffprobe.
///
/// # Errors
/// There is no home folder.
pub fn tools() -> anyhow::Result<PathBuf> {
    Ok(cache()?.join("tools"))
}

/// The folder of the built programs: `$VIDEOCLOUD_PROGRAMS`, or the nearest one above this program that has them.
fn programs() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("VIDEOCLOUD_PROGRAMS") {
        return Ok(folder.into());
    }
    let own = std::env::current_exe().context("failed to find this program's own folder")?;
    own.ancestors()
        .skip(1)
        .find(|folder| folder.join("videocloud-operator").is_file())
        .map(Path::to_owned)
        .with_context(|| format!("failed to find videocloud-operator beside {}: run `make build`", own.display()))
}
