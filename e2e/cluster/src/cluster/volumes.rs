//! The node's volumes: folders that claims are bound to, emptied when they are given back.

use super::{Cluster, Error};
use crate::node::objects;
use crate::paths;

impl Cluster {
    /// Makes the volumes whose claims were deleted empty and free again. [`Cluster::up`] does it too.
    ///
    /// # Errors
    /// The API server does not answer, or a volume's folder cannot be emptied.
    pub async fn reclaim_volumes(&self) -> Result<(), Error> {
        let phases = "jsonpath={range .items[*]}{.metadata.name} {.status.phase}{\"\\n\"}{end}";
        let listed = self.kubectl(&["get", "persistentvolumes", "--output", phases]).await?;
        for line in listed.lines() {
            let Some((volume, "Released" | "Failed")) = line.split_once(' ') else {
                continue;
            };
            let folder = objects::volume_folder(&self.folders, volume);
            if !folder.exists() {
                continue;
            }
            paths::remove(&folder)?;
            objects::make_volumes(&self.folders)?;
            let free = r#"[{"op": "remove", "path": "/spec/claimRef"}]"#;
            self.kubectl(&["patch", "persistentvolume", volume, "--type=json", "--patch", free]).await?;
        }
        Ok(())
    }
}
