//! Writes an image of one static program as an OCI archive (image layout specification 1.0), with no tool but this.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use crate::paths::PathError;

/// Writes to `archive` an image called `name` whose only file is the static program at `program`, its entry point.
///
/// # Errors
/// The program cannot be read or the archive cannot be written.
pub fn of_program(name: &str, program: &Path, archive: &Path) -> Result<(), PathError> {
    let content = fs::read(program).map_err(PathError::io("read", program))?;
    write(name, &content, archive).map_err(PathError::io("write", archive))
}

fn write(name: &str, program: &[u8], archive: &Path) -> io::Result<()> {
    let mut layer = Builder::new(Vec::new());
    append(&mut layer, "main", program, 0o755)?;
    let layer = layer.into_inner()?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/main"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    entry["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();

    let mut layout = Builder::new(File::create(archive)?);
    append(&mut layout, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    append(&mut layout, "index.json", index.as_bytes(), 0o644)?;
    for blob in [config.as_bytes(), manifest.as_bytes(), &layer] {
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
