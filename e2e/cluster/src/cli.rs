//! What can be asked of `videocloud-cluster`, and its answers.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, Subcommand};
use videocloud_cluster::assets::{Assets, KUBERNETES};
use videocloud_cluster::images::build::{self, Inputs, build};
use videocloud_cluster::images::repository::Repository;
use videocloud_cluster::{Cluster, Component, Options, Progress};

/// Local Kubernetes clusters: a real node in a network namespace of its own, up in seconds, several at once.
///
/// Clusters and the programs they run are kept in $VIDEOCLOUD_CACHE (default ~/.cache/videocloud). The programs
/// (Kubernetes, etcd, CoreDNS, helm) are taken from the folder $VIDEOCLOUD_ASSETS or from PATH if complete there, and are
/// otherwise built once from the Go module proxy. Debian packages that are missing are installed.
///
/// Needs root. Exit codes: 0 done, 1 failed, 2 wrong usage; `exec` ends with its command's code.
#[derive(Debug, Parser)]
#[command(name = "videocloud-cluster", version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    action: Action,
    /// Tell no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring a cluster up, or back up after anything: returns when pods, services, DNS and volumes work.
    Up {
        /// The cluster's name: lower-case letters, digits, hyphens.
        name: String,
    },
    /// Remove a cluster and everything it left on this machine, in whatever state it is.
    Down {
        /// Its name.
        name: String,
    },
    /// Tell which clusters exist and which of their parts run.
    Status {
        /// One cluster; all when absent.
        name: Option<String>,
    },
    /// Load images from OCI or Docker archives into a cluster.
    Load {
        /// The cluster's name.
        name: String,
        /// Archives, for example from `podman save` or `buildah push ... oci-archive:FILE`.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Print the administrator's kubeconfig, or with --path where it is.
    Kubeconfig {
        /// The cluster's name.
        name: String,
        /// Print the file's path.
        #[arg(long)]
        path: bool,
    },
    /// Run a command as administrator of the cluster inside its node's network, with its programs (kubectl, helm) in PATH.
    Exec {
        /// The cluster's name.
        name: String,
        /// The command and its arguments; a shell when absent.
        #[arg(trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Print the log of a part of the node.
    Logs {
        /// The cluster's name.
        name: String,
        /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd, kubelet, kube-proxy or coredns.
        component: Component,
    },
    /// Find or build the programs of a node and print their folder.
    Assets,
    /// Build the images of all parts from finished programs, and print their names.
    BuildImages {
        /// The folder of the finished programs (`cargo build --release`).
        #[arg(long, env = "VIDEOCLOUD_PROGRAMS", default_value_os_t = own_folder())]
        programs: PathBuf,
        /// The folder of the pinned builds of ffmpeg and ffprobe; `tools` in the cache when absent.
        #[arg(long)]
        tools: Option<PathBuf>,
        /// Their tag; one made from their content when absent.
        #[arg(long)]
        tag: Option<String>,
        /// Load them into this cluster.
        #[arg(long)]
        load: Option<String>,
        /// Push them to REPOSITORY/PART:TAG in a registry; http:// before it: without TLS.
        #[arg(long, value_name = "REPOSITORY")]
        push: Option<Repository>,
    },
}

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let progress = if cli.quiet { Progress::Silent } else { Progress::Told };
    match cli.action {
        Action::Up { name } => up(&name, progress).await?,
        Action::Down { name } => {
            Cluster::remove(&name).await?;
            progress.note(&format!("cluster {name} is gone"));
        }
        Action::Status { name } => return status(name).await,
        Action::Load { name, archives } => {
            let archives: Vec<_> = archives.iter().map(PathBuf::as_path).collect();
            Cluster::find(&name)?.load(&archives).await?;
        }
        Action::Kubeconfig { name, path } => {
            let file = Cluster::find(&name)?.kubeconfig_path();
            if path {
                println!("{}", file.display());
            } else {
                print!("{}", fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?);
            }
        }
        Action::Exec { name, command } => return exec(&name, &command),
        Action::Logs { name, component } => {
            let log = Cluster::find(&name)?.folders().log(component.name());
            let mut log = fs::File::open(&log).with_context(|| format!("failed to open {}", log.display()))?;
            std::io::copy(&mut log, &mut std::io::stdout()).context("failed to print the log")?;
        }
        Action::Assets => println!("{}", Assets::obtain(progress).await?.folder().display()),
        Action::BuildImages { programs, tools, tag, load, push } => {
            let images = build(&Inputs { programs, tools, tag }, progress).await?;
            if let Some(cluster) = load {
                Cluster::find(&cluster)?.load_images(&images).await?;
            }
            let names = match push {
                Some(repository) => build::push(&images, &repository, progress).await?,
                None => images.into_iter().map(|image| image.reference).collect(),
            };
            names.iter().for_each(|name| println!("{name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder this program is in: the other programs of one build are beside it.
fn own_folder() -> PathBuf {
    let own = std::env::current_exe().ok();
    own.and_then(|own| own.parent().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("target/release"))
}

async fn up(name: &str, progress: Progress) -> anyhow::Result<()> {
    let started = Instant::now();
    let cluster = Cluster::up(name, &Options { progress, ..Options::default() }).await?;
    let took = started.elapsed().as_secs_f64();
    progress
        .note(&format!("cluster {name} is ready after {took:.1} s: Kubernetes {KUBERNETES} at {}", cluster.node_ip()));
    progress.note(&format!("  export KUBECONFIG={}", cluster.kubeconfig_path().display()));
    progress.note(&format!("  {} get nodes", cluster.program("kubectl").display()));
    Ok(())
}

/// A line for each cluster; the exit code is 1 if one was asked for and is not whole.
async fn status(name: Option<String>) -> anyhow::Result<ExitCode> {
    let one = name.is_some();
    let names = match name {
        Some(name) => vec![name],
        None => videocloud_cluster::names()?.iter().map(ToString::to_string).collect(),
    };
    println!("{:<24} {:<10} {:<16} {:<18} MISSING", "NAME", "STATE", "NODE", "PODS");
    let mut whole = true;
    for name in names {
        let cluster = Cluster::find(&name)?;
        let missing = Component::ALL.into_iter().filter(|component| !cluster.running(*component));
        let missing: Vec<_> = missing.map(Component::name).collect();
        let state = match missing.len() {
            0 if cluster.node_ready().await => "Ready",
            0 => "NotReady",
            all if all == Component::ALL.len() => "Stopped",
            _ => "Broken",
        };
        whole &= state == "Ready";
        let missing = if missing.is_empty() { "-".to_owned() } else { missing.join(",") };
        println!(
            "{name:<24} {state:<10} {:<16} {:<18} {missing}",
            cluster.node_ip().to_string(),
            cluster.plan().pods.to_string()
        );
    }
    Ok(if one && !whole { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Becomes the command, inside the node's network.
fn exec(name: &str, words: &[String]) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::find(name)?;
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let (program, arguments) = words.split_first().map_or((&shell, &[][..]), |(program, rest)| (program, rest));
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = cluster.plan().programs.display();
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", cluster.namespace().path().display())).arg("--").arg(program).args(arguments);
    command.env("PATH", format!("{programs}:{path}:/usr/sbin:/sbin")).env("KUBECONFIG", cluster.kubeconfig_path());
    let failed = command.exec();
    Err(failed).context("failed to run nsenter: install util-linux")
}
