//! The content of a video once it is known, whichever way it became known.

use videocloud_crds::{
    VideoObjectStatus,
    types::Bytes,
    videoobject::{Content, Verification},
};
use videocloud_protocol::{
    content::{ContentManifest, Verification as Proof},
    ids::ContentId,
    task::Outcome,
};

use super::dereference::Facts;

/// How a content became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It was fetched for this video, or for one it joined.
    Fetched,
    /// The index knew it: nothing was moved.
    Known,
    /// The status shows it.
    Shown,
}

/// A known content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: ContentId,
    pub(super) how: How,
    pub(super) content: Content,
    pub(super) verification: Option<Verification>,
}

impl Found {
    /// The content of a video. What its status shows stays: sources may be edited without a second download.
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        if let Some(found) = Self::shown(&facts.shown) {
            return Some(found);
        }
        if let Some(Outcome::Download(outcome)) = facts.download.outcome() {
            return Some(Self::new(&outcome.content, if outcome.revalidated { How::Known } else { How::Fetched }));
        }
        let manifest = facts.answer.as_ref()?.content.as_ref()?;
        Some(Self::new(manifest, How::Known))
    }

    fn shown(status: &VideoObjectStatus) -> Option<Self> {
        let content = status.content.clone()?;
        let id = content.id.parse().ok()?;
        Some(Self { id, how: How::Shown, content, verification: status.verification })
    }

    fn new(manifest: &ContentManifest, how: How) -> Self {
        let hex = |text: &Option<String>, length: usize| text.clone().filter(|text| text.len() == length);
        let hashes = &manifest.hashes;
        Self {
            id: manifest.id,
            how,
            content: Content {
                id: manifest.id.to_string(),
                size: Bytes::saturating(manifest.size),
                media: None,
                info_hash_v1: hex(&hashes.info_hash_v1, 40),
                info_hash_v2: hex(&hashes.info_hash_v2, 64),
                three_chunk_hash: hex(&hashes.three_chunk, 40),
            },
            verification: Some(match manifest.verification {
                Proof::Digest => Verification::Digest,
                Proof::PieceHashes => Verification::PieceHashes,
                Proof::Agreement => Verification::Agreement,
                Proof::SingleSource => Verification::SingleSource,
            }),
        }
    }
}
