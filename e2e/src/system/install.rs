//! Installing the chart into a cluster, as the README tells a user to, and finding the edge.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::{ObjectError, Objects};

/// The namespace the system is installed into.
pub const NAMESPACE: &str = "videocloud-system";

const RELEASE: &str = "videocloud";
const LIMIT: Duration = Duration::from_secs(300);

/// The chart could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Helm could not be started or took too long.
    #[error("failed to run {program}: {detail}")]
    Run {
        /// The program.
        program: String,
        /// What went wrong.
        detail: String,
    },
    /// Helm said no.
    #[error("failed to install the chart: {0}")]
    Helm(String),
    /// The cluster could not be reached.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// Where images come from.
#[derive(Debug, Clone)]
pub struct Images {
    /// Repository prefix: `<repository>/<part>:<tag>`.
    pub repository: String,
    /// Tag.
    pub tag: String,
}

/// What an installation is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The chart's folder.
    pub chart: PathBuf,
    /// Where images come from.
    pub images: Images,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The `helm` program.
    pub helm: PathBuf,
    /// Where the edge is reached from outside: the node's address and a NodePort; `None` leaves it inside the cluster.
    pub edge: Option<(Ipv4Addr, u16)>,
    /// Networks that links may lead to although they are private.
    pub allow_networks: Vec<String>,
    /// More arguments for Helm.
    pub extra: Vec<String>,
}

/// An installed system.
#[derive(Debug, Clone)]
pub struct System {
    settings: Settings,
}

impl System {
    /// Installs or upgrades, and waits until every Deployment and StatefulSet is ready.
    ///
    /// # Errors
    /// [`InstallError`] with Helm's words.
    pub async fn install(settings: Settings) -> Result<Self, InstallError> {
        let system = Self { settings };
        system.upgrade(&[]).await?;
        Ok(system)
    }

    /// One that was installed before, without a look at it.
    #[must_use]
    pub const fn adopt(settings: Settings) -> Self {
        Self { settings }
    }

    /// Runs `helm upgrade --install` again with more arguments.
    ///
    /// # Errors
    /// [`InstallError`] with Helm's words.
    pub async fn upgrade(&self, more: &[&str]) -> Result<(), InstallError> {
        let chart = self.settings.chart.display().to_string();
        let mut arguments =
            ["upgrade", "--install", RELEASE, &chart, "--namespace", NAMESPACE, "--create-namespace", "--wait"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["--timeout".to_owned(), "240s".to_owned(), "--values".to_owned(), "-".to_owned()]);
        arguments.extend(self.settings.extra.iter().cloned());
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        self.helm(&arguments, &self.values()).await.map(drop)
    }

    /// Removes the release; the kinds and their objects stay.
    ///
    /// # Errors
    /// [`InstallError`] with Helm's words.
    pub async fn uninstall(&self) -> Result<(), InstallError> {
        let arguments =
            ["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--cascade=foreground"].map(str::to_owned);
        self.helm(&arguments, "").await.map(drop)
    }

    /// The cluster's objects, through a connection of its own.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn objects(&self) -> Result<Objects, ObjectError> {
        Objects::open(&self.settings.kubeconfig).await
    }

    /// The values the chart is given.
    fn values(&self) -> String {
        let settings = &self.settings;
        let edge = settings.edge.map_or_else(String::new, |(address, port)| {
            format!(
                "uploader:\n  publicUrl: http://{address}:{port}\n  service:\n    type: NodePort\n    nodePort: {port}\n"
            )
        });
        let networks: String = settings.allow_networks.iter().map(|n| format!("    - {n}\n")).collect();
        let networks = if networks.is_empty() { "    []\n".to_owned() } else { networks };
        format!(
            "image:\n  repository: {}\n  tag: {}\njobs:\n  allowNetworks:\n{networks}{edge}",
            settings.images.repository, settings.images.tag
        )
    }

    async fn helm(&self, arguments: &[String], input: &str) -> Result<String, InstallError> {
        let program = self.settings.helm.display().to_string();
        let failed = |detail: String| InstallError::Run { program: program.clone(), detail };
        let mut child = Command::new(&self.settings.helm)
            .args(arguments)
            .env("KUBECONFIG", &self.settings.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
        }
        let output = timeout(LIMIT, child.wait_with_output())
            .await
            .map_err(|_| failed(format!("took longer than {LIMIT:?}")))?
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(InstallError::Helm(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// The folder of the repository this program was built from, or the one it is run in.
#[must_use]
pub fn repository() -> PathBuf {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if built_from.join("charts").is_dir() { built_from } else { PathBuf::from(".") }
}
