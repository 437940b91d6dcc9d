//! Where Jobs find the store: its URL, and what has to be mounted or shown for it.

use clap::Args;

/// Where Jobs find the store. The operator itself never reads it.
#[derive(Debug, Clone, Args)]
pub struct StoreFlags {
    /// URL of the store as Jobs see it: file:///path (the volume is mounted there) or s3://bucket/prefix?endpoint=…&region=….
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_STORE")]
    pub store: String,
    /// PersistentVolumeClaim of the system namespace that holds a file store.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_STORE_CLAIM")]
    pub store_claim: Option<String>,
    /// Folder of the node that holds a file store, for clusters of one node. Not within restricted Pod Security.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_STORE_HOST_PATH")]
    pub store_host_path: Option<String>,
    /// Secret of the system namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for an S3 store.
    #[arg(long, env = "VIDEOCLOUD_OPERATOR_STORE_SECRET")]
    pub store_secret: Option<String>,
}

/// What a pod needs to reach the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreMount {
    /// A claim, mounted at the store's path.
    Claim(String),
    /// A folder of the node, mounted at the store's path.
    HostPath(String),
    /// No volume; a Secret's keys as environment, if one is needed.
    Remote(Option<String>),
}

impl StoreFlags {
    /// What a pod needs.
    ///
    /// # Errors
    /// A sentence that names the flags that do not fit together.
    pub fn mount(&self) -> Result<StoreMount, String> {
        let file = self.path().is_some();
        match (&self.store_claim, &self.store_host_path, &self.store_secret) {
            (Some(claim), None, None) if file => Ok(StoreMount::Claim(claim.clone())),
            (None, Some(path), None) if file => Ok(StoreMount::HostPath(path.clone())),
            (None, None, secret) if !file => Ok(StoreMount::Remote(secret.clone())),
            _ if file => {
                Err("--store names a folder: give exactly one of --store-claim and --store-host-path, and no \
                              --store-secret"
                    .into())
            }
            _ => Err("--store names a bucket: give no --store-claim and no --store-host-path".into()),
        }
    }

    /// Folder of a file store; `None` for one that is reached over the network.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.store.strip_prefix("file://").or_else(|| self.store.starts_with('/').then_some(self.store.as_str()))
    }
}
