//! Builds the node's programs with Go. One program holds all parts (they share most packages) and is linked under their
//! names; a finished folder appears by a rename, so half a build is never taken for a whole one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::{AssetError, HELM, KUBERNETES, PROGRAMS};
use crate::command::CommandError;
use crate::paths::{self, Lock, PathError};
use crate::progress::Progress;

/// The sources of the one program; versions and checksums of every module are pinned here.
const SOURCES: [(&str, &str); 8] = [
    ("go.mod", include_str!("../../kubernetes/go.mod")),
    ("go.sum", include_str!("../../kubernetes/go.sum")),
    ("main.go", include_str!("../../kubernetes/main.go")),
    ("kubernetes.go", include_str!("../../kubernetes/kubernetes.go")),
    ("etcd.go", include_str!("../../kubernetes/etcd.go")),
    ("coredns.go", include_str!("../../kubernetes/coredns.go")),
    ("helm.go", include_str!("../../kubernetes/helm.go")),
    ("pause/main.go", include_str!("../../kubernetes/pause/main.go")),
];

/// How many lines of a failed build are repeated.
const SAID: usize = 12;

/// The name of the cache folder: changes whenever a source, a version or a build flag changes.
pub(super) fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for (name, text) in SOURCES {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    hash.update(linker_flags());
    hash.update(std::env::consts::ARCH);
    hex::encode(hash.finalize())[..12].to_owned()
}

/// Builds into `home` and puts the finished programs at `folder`. Somebody else's build of the same is waited for.
pub(super) async fn build(home: &Path, folder: &Path, progress: Progress) -> Result<(), AssetError> {
    let _lock =
        Lock::take(&home.join("lock"), || progress.note("waiting for another build of the same programs")).await?;
    if super::absent_from(folder).is_none() {
        return Ok(());
    }
    if go(home).arg("version").stdout(Stdio::null()).status().await.is_err() {
        return Err(AssetError::NoCompiler);
    }
    let (source, partial) = (home.join("source"), home.join("bin.partial"));
    for leftover in [&source, &partial, &folder.to_owned()] {
        paths::remove(leftover)?;
    }
    for (name, text) in SOURCES {
        let path = source.join(name);
        paths::make_folder(path.parent().unwrap_or(&source))?;
        paths::write(&path, text)?;
    }
    paths::make_folder(&partial)?;
    let log = home.join("build.log");
    paths::write(&log, "")?;

    let counted = count_packages(&source, &log, progress).await?;
    compile(&source, &partial, &log, counted, progress).await?;

    for program in PROGRAMS.into_iter().filter(|program| *program != "pause") {
        let link = partial.join(program);
        symlink("node", &link).map_err(PathError::io("link", &link))?;
    }
    fs::rename(&partial, folder).map_err(PathError::io("put in place", folder))?;
    paths::remove(&source)?;
    Ok(())
}

/// Fetches the modules and counts the packages that have to be compiled.
async fn count_packages(source: &Path, log: &Path, progress: Progress) -> Result<u64, AssetError> {
    let mut list = go(source);
    list.args(["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]);
    list.args(["-trimpath", "-ldflags", &linker_flags(), "./..."]);
    let activity = progress.activity("fetching the sources of Kubernetes, etcd, CoreDNS and helm", None);
    let mut packages = 0;
    follow(list, log, |stream, line| match stream {
        Stream::Output if !line.is_empty() => packages += 1,
        Stream::Error => activity.describe(line),
        Stream::Output => (),
    })
    .await?;
    Ok(packages)
}

/// Compiles and links, with one step of progress for each package.
async fn compile(
    source: &Path,
    partial: &Path,
    log: &Path,
    packages: u64,
    progress: Progress,
) -> Result<(), AssetError> {
    let activity = progress.activity("building Kubernetes, etcd, CoreDNS and helm", Some(packages + 1));
    for (package, output) in [("./pause", "pause"), (".", "node")] {
        let mut build = go(source);
        build.args(["build", "-v", "-trimpath", "-ldflags", &linker_flags(), "-o"]);
        build.arg(partial.join(output)).arg(package);
        follow(build, log, |_, line| {
            activity.describe(line);
            activity.advance();
        })
        .await?;
    }
    Ok(())
}

/// A `go` command that neither depends on nor changes the user's settings.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).kill_on_drop(true).stdin(Stdio::null());
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOWORK", "off");
    command
}

/// Which of a program's two outputs a line came from.
enum Stream {
    Output,
    Error,
}

/// Runs a command to its end, hands each line to `each` and keeps all of them in the log.
async fn follow(mut command: Command, log: &Path, mut each: impl FnMut(Stream, &str)) -> Result<(), AssetError> {
    let start = |source| CommandError::Start { command: "go".to_owned(), source };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(start(std::io::Error::other("no pipes")).into());
    };
    let append = tokio::fs::File::options().append(true).open(log).await;
    let mut kept = append.map_err(PathError::io("open", log))?;
    let (mut output, mut error) = (BufReader::new(output).lines(), BufReader::new(error).lines());
    let (mut output_open, mut error_open) = (true, true);
    let mut last = std::collections::VecDeque::new();
    while output_open || error_open {
        let (stream, line) = tokio::select! {
            line = output.next_line(), if output_open => (Stream::Output, line),
            line = error.next_line(), if error_open => (Stream::Error, line),
        };
        match (line.map_err(start)?, &stream) {
            (None, Stream::Output) => output_open = false,
            (None, Stream::Error) => error_open = false,
            (Some(line), _) => {
                kept.write_all(format!("{line}\n").as_bytes()).await.map_err(PathError::io("write", log))?;
                each(stream, &line);
                last.push_back(line);
                if last.len() > SAID {
                    last.pop_front();
                }
            }
        }
    }
    kept.flush().await.map_err(PathError::io("write", log))?;
    if child.wait().await.map_err(start)?.success() {
        return Ok(());
    }
    Err(AssetError::Build { log: PathBuf::from(log), said: last.into_iter().collect::<Vec<_>>().join("\n") })
}

/// Small programs that tell their releases.
fn linker_flags() -> String {
    let mut flags = vec!["-s -w".to_owned()];
    let mut parts = KUBERNETES.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (variable, value) in
            [("gitVersion", KUBERNETES), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "clean")]
        {
            flags.push(format!("-X {package}.{variable}={value}"));
        }
    }
    flags.push(format!("-X helm.sh/helm/v4/internal/version.version={HELM}"));
    flags.join(" ")
}
