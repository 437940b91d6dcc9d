//! Which torrents the tracker serves, as the index says.

use videocloud_protocol::{
    content::{ContentManifest, Visibility},
    ids::{ContentId, InfoHash},
};

use super::peer::{BY_V1, BY_V2};

/// A content of the index, as the swarms know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The content.
    pub content: ContentId,
    /// Bytes.
    pub size: u64,
    /// Of a namespace: its announces carry a secret.
    pub secret: bool,
}

/// The hashes a torrent is announced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    /// The swarm's name: v1 where there is one, else v2.
    pub swarm: InfoHash,
    /// The other name of a hybrid torrent.
    pub alias: Option<InfoHash>,
}

impl Hashes {
    /// The hashes of a manifest; `None` for a content without a torrent.
    #[must_use]
    pub fn of(manifest: &ContentManifest) -> Option<Self> {
        let v1 = manifest.hashes.info_hash_v1.as_deref();
        let v2 = manifest.hashes.info_hash_v2.as_deref();
        Self::parse(v1, v2)
    }

    /// The hashes from hex text; what is malformed counts as absent.
    #[must_use]
    pub fn parse(v1: Option<&str>, v2: Option<&str>) -> Option<Self> {
        let v1: Option<InfoHash> = v1.and_then(|hash| hash.parse().ok());
        let v2 = v2.and_then(|hash| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(hash, &mut bytes).ok()?;
            Some(InfoHash::of_v2(&bytes))
        });
        let swarm = v1.or(v2)?;
        Some(Self { swarm, alias: v2.filter(|hash| *hash != swarm) })
    }

    /// Which of the hashes `hash` is, for peers.
    pub(super) const fn by(is_alias: bool, has_alias: bool) -> u8 {
        match (is_alias, has_alias) {
            (true, _) => BY_V2,
            (false, true) => BY_V1,
            // The only hash: everybody speaks to everybody.
            (false, false) => BY_V1 | BY_V2,
        }
    }
}

impl Known {
    /// What the index says of a content.
    #[must_use]
    pub fn of(manifest: &ContentManifest) -> Self {
        let secret = matches!(manifest.visibility, Visibility::Namespace(_));
        Self { content: manifest.id, size: manifest.size, secret }
    }
}
