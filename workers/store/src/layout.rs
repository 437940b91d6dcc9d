//! Where each object of the store lives: the one place that builds paths.
//! Every path is made of typed ids or checked segments, so no foreign text can point outside of the store.

use std::fmt;

use videocloud_protocol::{
    ids::{ClaimKey, ContentId, RenditionKey, RunId},
    rendition::TreePath,
};

/// The path of one object, relative to the store's root: plain segments with `/` between.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectPath(String);

impl ObjectPath {
    /// The text form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that was listed back from the store itself.
    pub(crate) fn listed(path: String) -> Self {
        Self(path)
    }

    /// A path below this one.
    pub(crate) fn join(&self, below: &TreePath) -> Self {
        Self(format!("{}/{below}", self.0))
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Folder of all blobs.
pub(crate) const BLOBS: &str = "blobs";
/// Folder of all content manifests.
pub(crate) const CONTENTS: &str = "contents";
/// Folder of all contents' torrents.
pub(crate) const TORRENTS: &str = "torrents";
/// Folder of all rendition manifests.
pub(crate) const RENDITIONS: &str = "renditions";
/// Folder of all rendition trees.
pub(crate) const TREES: &str = "trees";
/// Folder of all staging areas.
pub(crate) const STAGING: &str = "staging";
/// Folder of all run workspaces.
pub(crate) const RUNS: &str = "runs";

/// The whole file of a content.
pub(crate) fn blob(id: &ContentId) -> ObjectPath {
    let id = id.to_string();
    ObjectPath(format!("{BLOBS}/{}/{id}", &id[..2]))
}

/// The manifest of a content: its commit point.
pub(crate) fn content(id: &ContentId) -> ObjectPath {
    ObjectPath(format!("{CONTENTS}/{id}.json"))
}

/// The torrent of a content.
pub(crate) fn torrent(id: &ContentId) -> ObjectPath {
    let id = id.to_string();
    ObjectPath(format!("{TORRENTS}/{}/{id}.torrent", &id[..2]))
}

/// The manifest of a rendition: its commit point.
pub(crate) fn rendition(key: &RenditionKey) -> ObjectPath {
    ObjectPath(format!("{RENDITIONS}/{key}.json"))
}

/// The folder of one attempt at a rendition's files.
pub(crate) fn tree(key: &RenditionKey, attempt: &TreePath) -> ObjectPath {
    ObjectPath(format!("{TREES}/{key}/{attempt}"))
}

/// The folder of a download in progress.
pub(crate) fn staging(claim: &ClaimKey) -> ObjectPath {
    ObjectPath(format!("{STAGING}/{claim}"))
}

/// The workspace of a rendition set.
pub(crate) fn run(run: &RunId) -> ObjectPath {
    ObjectPath(format!("{RUNS}/{run}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_below_its_folder(text in "\\PC{0,40}|[a-z./]{0,20}") {
            if let Ok(path) = text.parse::<TreePath>() {
                let folder = run(&RunId::from_bytes([7; 16]));
                let joined = Path::new("/store").join(folder.join(&path).as_str());
                prop_assert!(joined.components().all(|c| !matches!(c, Component::ParentDir)));
                let parent = Path::new("/store").join(folder.as_str());
                prop_assert!(joined.starts_with(&parent) && joined != parent);
            }
        }
    }
}
