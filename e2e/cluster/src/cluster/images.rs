//! Brings images into the node; nothing is ever pulled.

use std::path::Path;

use super::Cluster;
use crate::command::CommandError;
use crate::images::build::Image;

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
}
