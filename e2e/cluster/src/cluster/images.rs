//! Brings images into the node: loaded from archives, or pulled by pods that name a registry.

use std::net::SocketAddr;
use std::path::Path;

use super::Cluster;
use crate::command::CommandError;
use crate::images::build::Image;
use crate::node::runtime::REGISTRIES;
use crate::paths::{self, PathError};

impl Cluster {
    /// Loads images from OCI or Docker archives into the node.
    ///
    /// # Errors
    /// An archive cannot be read or holds no image for this machine.
    pub async fn load(&self, archives: &[&Path]) -> Result<(), CommandError> {
        for archive in archives {
            let archive = archive.to_string_lossy();
            self.ctr(&["images", "import", &archive]).await?;
        }
        Ok(())
    }

    /// Loads built images, skipping those whose content the node has.
    ///
    /// # Errors
    /// The container runtime does not answer, or an archive cannot be read.
    pub async fn load_images(&self, images: &[Image]) -> Result<(), CommandError> {
        let present = self.ctr(&["images", "list", "--quiet"]).await?;
        for image in images {
            if !present.lines().any(|name| name == image.content) {
                self.load(&[&image.archive]).await?;
            }
            self.ctr(&["images", "tag", "--force", &image.content, &image.reference]).await?;
        }
        Ok(())
    }

    /// Lets the node pull from a registry that speaks HTTP without TLS.
    ///
    /// # Errors
    /// The runtime's folder cannot be written.
    pub fn allow_plain_registry(&self, registry: SocketAddr) -> Result<(), PathError> {
        let folder = self.folders().state(REGISTRIES).join(registry.to_string());
        paths::make_folder(&folder)?;
        let hosts = format!(
            "server = \"http://{registry}\"\n\n[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        );
        paths::write(&folder.join("hosts.toml"), hosts)
    }
}
