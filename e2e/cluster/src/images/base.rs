//! The base image: the C library, certificate authorities and time zones of the Debian release that also built the
//! programs, and a user. No shell, no package manager, nothing that is run while building.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tar::{Builder, Header, HeaderMode};
use tokio::process::Command;

use super::{ImageError, archive};
use crate::command::{command, run};
use crate::paths::{self, PathError};
use crate::progress::Progress;

/// The name of the base inside its archive.
pub(super) const NAME: &str = "localhost/videocloud/base:1";

/// What is in it; libgcc unwinds the stack of a panic.
const PACKAGES: [&str; 4] = ["libc6", "libgcc-s1", "ca-certificates", "tzdata"];

/// Folders of the packages that no program here uses.
const UNUSED: [&str; 4] = ["usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug"];

/// Who is known inside; the programs run as the second.
const USERS: &[u8] = b"root:x:0:0:root:/root:/usr/sbin/nologin\n\
    videocloud:x:65532:65532:videocloud:/tmp:/usr/sbin/nologin\n";

/// The longest time one apt or tar command may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Makes the base image as an OCI archive in the folder `images`, unless the one of this Debian release is there.
pub(super) async fn ensure(images: &Path, progress: Progress) -> Result<PathBuf, ImageError> {
    let versions = ["--show", "--showformat=${Package} ${Version} ${Architecture}\n", "libc6", "libgcc-s1"];
    let versions = run(command("dpkg-query", versions), b"", LIMIT).await?;
    let key = hex::encode(Sha256::digest(format!("{versions}{PACKAGES:?}{UNUSED:?}")));
    let finished = images.join(format!("base-{}.tar", &key[..12]));
    if finished.exists() {
        return Ok(finished);
    }
    let _activity = progress.activity("making the base image", None);
    let folder = images.join("base.partial");
    paths::remove(&folder)?;
    let (downloads, root) = (folder.join("downloads"), folder.join("root"));
    for folder in [&downloads, &root] {
        paths::make_folder(folder)?;
    }
    download(&downloads).await?;
    merge_usr(&root)?;
    for package in fs::read_dir(&downloads).map_err(PathError::io("list", &downloads))?.flatten() {
        extract(&package.path(), &root).await?;
    }
    finish(&root)?;
    let layer = layer(&root).map_err(PathError::io("pack", &root))?;
    let partial = folder.join("base.tar");
    archive::of_layer(NAME, layer, &archive::Config::default(), &partial)?;
    fs::rename(&partial, &finished).map_err(PathError::io("put in place", &finished))?;
    paths::remove(&folder)?;
    Ok(finished)
}

/// Fetches the packages; apt checks their signatures. A machine whose package lists are missing or old gets new ones.
async fn download(folder: &Path) -> Result<(), ImageError> {
    let fetch = || {
        let mut apt = command("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download"]);
        apt.args(PACKAGES).current_dir(folder);
        run(apt, b"", LIMIT)
    };
    if fetch().await.is_err() {
        run(command("apt-get", ["update", "-qq"]), b"", LIMIT).await?;
        fetch().await?;
    }
    Ok(())
}

/// All releases since 12 keep programs and libraries below /usr only, but not all of their packages say so.
fn merge_usr(root: &Path) -> Result<(), ImageError> {
    for folder in ["bin", "sbin", "lib", "lib64"] {
        paths::make_folder(&root.join("usr").join(folder))?;
        let link = root.join(folder);
        std::os::unix::fs::symlink(format!("usr/{folder}"), &link).map_err(PathError::io("link", &link))?;
    }
    Ok(())
}

/// Unpacks a package without running its scripts.
async fn extract(package: &Path, root: &Path) -> Result<(), ImageError> {
    let content = root.with_extension("tar");
    let file = fs::File::create(&content).map_err(PathError::io("write", &content))?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--fsys-tarfile").arg(package).stdout(Stdio::from(file)).stdin(Stdio::null());
    let status = unpack.status().await.map_err(PathError::io("unpack", package))?;
    if !status.success() {
        return Err(PathError::io("unpack", package)(io::Error::other(status.to_string())).into());
    }
    let mut tar = command("tar", ["--extract", "--keep-directory-symlink", "--file"]);
    tar.arg(&content).arg("--directory").arg(root);
    run(tar, b"", LIMIT).await?;
    Ok(())
}

/// Does what the packages' scripts would have done, and adds the user.
fn finish(root: &Path) -> Result<(), PathError> {
    for folder in UNUSED {
        paths::remove(&root.join(folder))?;
    }
    let authorities = root.join("usr/share/ca-certificates/mozilla");
    let entries = fs::read_dir(&authorities).map_err(PathError::io("list", &authorities))?;
    let mut certificates: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    certificates.sort();
    let mut bundle = Vec::new();
    for certificate in certificates {
        bundle.extend(fs::read(&certificate).map_err(PathError::io("read", &certificate))?);
    }
    let files: [(&str, &[u8]); 4] = [
        ("etc/ssl/certs/ca-certificates.crt", &bundle),
        ("etc/passwd", USERS),
        ("etc/group", b"root:x:0:\nvideocloud:x:65532:\n"),
        ("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
    ];
    for (file, content) in files {
        let path = root.join(file);
        paths::make_folder(path.parent().unwrap_or(root))?;
        paths::write(&path, content)?;
    }
    Ok(())
}

/// Packs a folder so that equal content gives equal bytes.
fn layer(root: &Path) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    layer.mode(HeaderMode::Deterministic);
    layer.follow_symlinks(false);
    layer.append_dir_all("", root)?;
    let mut temporary = Header::new_gnu();
    temporary.set_entry_type(tar::EntryType::Directory);
    temporary.set_size(0);
    temporary.set_mode(0o1777);
    layer.append_data(&mut temporary, "tmp/", io::empty())?;
    layer.into_inner()
}
