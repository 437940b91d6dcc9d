//! Debian packages: which ones a task needs, which are absent, and their installation when the user is root.

use std::env;
use std::path::Path;
use std::time::Duration;

use nix::unistd::Uid;

use super::AssetError;
use crate::command::{command, run};
use crate::paths::{self, Lock};
use crate::progress::Progress;

/// The longest time apt-get may take, a slow mirror and a held lock included.
const INSTALL: Duration = Duration::from_secs(600);

/// A file that proves a package is there, and the package.
pub type Need = (&'static str, &'static str);

/// What a node needs beside Kubernetes itself.
pub const NODE: &[Need] = &[
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
];

/// What the building of images needs.
pub const IMAGES: &[Need] = &[("buildah", "buildah"), ("runc", "runc"), ("dpkg-deb", "dpkg"), ("tar", "tar")];

/// Makes sure that everything in `needs` is there.
///
/// # Errors
/// Something is absent and cannot be installed; the error holds the command to run.
pub async fn ensure(needs: &[Need], progress: Progress) -> Result<(), AssetError> {
    if absent(needs).is_empty() {
        return Ok(());
    }
    let _lock = Lock::take(&paths::run().join("packages.lock"), || ()).await?;
    let packages = absent(needs);
    if packages.is_empty() {
        return Ok(());
    }
    let refuse = |reason: String| AssetError::Packages { packages: packages.join(" "), reason };
    if !Uid::effective().is_root() {
        return Err(refuse("only root can install them".to_owned()));
    }
    let _activity = progress.activity(&format!("installing {}", packages.join(" ")), None);
    let mut said = String::new();
    for update in [false, true] {
        if update && let Err(error) = run(apt(&["update", "-qq"]), b"", INSTALL).await {
            said = error.to_string();
            break;
        }
        let install: Vec<&str> =
            ["install", "-y", "-qq", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
        match run(apt(&install), b"", INSTALL).await {
            Ok(_) => said.clear(),
            Err(error) => said = error.to_string(),
        }
        if absent(needs).is_empty() {
            return Ok(());
        }
    }
    Err(refuse(if said.is_empty() { "they lack an expected file".to_owned() } else { said }))
}

fn apt(arguments: &[&str]) -> tokio::process::Command {
    let mut apt = command("apt-get", ["-o", "DPkg::Lock::Timeout=300"]);
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// The packages of which a file is absent, each once.
fn absent(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().filter(|(file, _)| !present(file)).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

fn present(file: &str) -> bool {
    if file.starts_with('/') {
        return Path::new(file).exists();
    }
    let search = search_path();
    env::split_paths(&search).any(|folder| folder.join(file).is_file())
}

/// PATH with the folders of the system's own programs, which an ordinary PATH may lack.
pub(crate) fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
}
