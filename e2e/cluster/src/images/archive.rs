//! Writes images of one layer as OCI archives (image layout specification 1.0), with no tool but this.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use crate::paths::PathError;

/// What is run from an image when nothing else is said.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The user and group, `UID:GID`; root when empty.
    pub user: String,
}

/// Writes to `archive` an image called `name` whose only file is the static program `program`, found at `inside` (without
/// a leading slash) and run as nobody.
///
/// # Errors
/// The program cannot be read or the archive cannot be written.
pub fn of_program(name: &str, program: &Path, inside: &str, archive: &Path) -> Result<(), PathError> {
    let content = fs::read(program).map_err(PathError::io("read", program))?;
    let mut layer = Builder::new(Vec::new());
    let layer = append(&mut layer, inside, &content, 0o755).and_then(|()| layer.into_inner());
    let layer = layer.map_err(PathError::io("pack", program))?;
    let config = Config { entrypoint: vec![format!("/{inside}")], user: "65534:65534".to_owned() };
    of_layer(name, layer, &config, archive)
}

/// Writes to `archive` an image called `name` of one layer, which is an uncompressed tar archive.
///
/// # Errors
/// The archive cannot be written.
pub fn of_layer(name: &str, layer: Vec<u8>, config: &Config, archive: &Path) -> Result<(), PathError> {
    write(name, &layer, config, archive).map_err(PathError::io("write", archive))
}

fn write(name: &str, layer: &[u8], config: &Config, archive: &Path) -> io::Result<()> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": config.entrypoint, "User": config.user, "Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "videocloud-cluster"}],
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    entry["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();

    let mut layout = Builder::new(File::create(archive)?);
    append(&mut layout, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    append(&mut layout, "index.json", index.as_bytes(), 0o644)?;
    for blob in [config.as_bytes(), manifest.as_bytes(), layer] {
        append(&mut layout, &digest(blob).replace("sha256:", "blobs/sha256/"), blob, 0o644)?;
    }
    layout.into_inner()?.sync_all()
}

fn append(archive: &mut Builder<impl io::Write>, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    archive.append_data(&mut header, path, content)
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(content), "size": content.len()})
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
