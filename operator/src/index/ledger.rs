//! What this leader has already told the tracker and been answered, so that it says nothing twice. Rebuilt by asking again.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use videocloud_protocol::{
    ids::{ClaimKey, RenditionKey},
    publication::{Access, Original, Publication, PublishedRendition},
    rendition::RenditionSummary,
    tracker::ClaimAnswer,
};

/// An acknowledged claim.
#[derive(Debug, Clone)]
struct Acknowledged {
    /// What was claimed.
    key: ClaimKey,
    /// The answer.
    answer: ClaimAnswer,
}

/// An answered question for a rendition.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What was asked for.
    pub key: RenditionKey,
    /// The rendition, if it exists.
    pub exact: Option<RenditionSummary>,
    /// Other renditions of the same content.
    pub near: Vec<RenditionSummary>,
}

/// Everything said and answered, by uid.
#[derive(Debug, Default)]
pub struct Ledger {
    claims: HashMap<String, Acknowledged>,
    renditions: HashMap<String, Resolved>,
    publications: HashMap<Box<str>, Fingerprint>,
}

/// Stands for a publication: it is only ever compared.
type Fingerprint = [u8; 16];

fn fingerprint(publication: &Publication) -> Fingerprint {
    let Publication { uid: _, original, access, renditions } = publication;
    let mut hasher = Sha256::new();
    match original {
        Original::Content(content) => hasher.update(content.as_bytes()),
        Original::Arriving(claim) => hasher.update(claim.as_bytes()),
    }
    hasher.update([u8::from(*access == Access::Signed)]);
    for PublishedRendition { name, key, run } in renditions {
        hasher.update(key.as_bytes());
        hasher.update((name.len() as u64).to_be_bytes());
        hasher.update(name.as_bytes());
        hasher.update([u8::from(run.is_some())]);
        hasher.update(run.map_or([0; 16], |run| *run.as_bytes()));
    }
    let mut short = Fingerprint::default();
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}

impl Ledger {
    /// The claim of `uid` on `key`, if the tracker has acknowledged it.
    #[must_use]
    pub fn claim(&self, uid: &str, key: &ClaimKey) -> Option<&ClaimAnswer> {
        self.claims.get(uid).filter(|claim| claim.key == *key).map(|claim| &claim.answer)
    }

    /// Notes an acknowledged claim.
    pub fn claimed(&mut self, uid: &str, key: ClaimKey, answer: ClaimAnswer) {
        self.claims.insert(uid.to_owned(), Acknowledged { key, answer });
    }

    /// Forgets the claim of `uid`, so that it is made again.
    pub fn unclaim(&mut self, uid: &str) {
        self.claims.remove(uid);
    }

    /// What was answered to `uid` about `key`.
    #[must_use]
    pub fn resolved(&self, uid: &str, key: &RenditionKey) -> Option<&Resolved> {
        self.renditions.get(uid).filter(|resolved| resolved.key == *key)
    }

    /// Notes an answer.
    pub fn resolve(&mut self, uid: &str, resolved: Resolved) {
        self.renditions.insert(uid.to_owned(), resolved);
    }

    /// Drops what was answered to `uid`: its rendition is there.
    pub fn answered(&mut self, uid: &str) {
        self.renditions.remove(uid);
    }

    /// Whether the edge was told exactly `publication` for `uid`.
    #[must_use]
    pub fn is_published(&self, publication: &Publication) -> bool {
        self.publications.get(&*publication.uid) == Some(&fingerprint(publication))
    }

    /// Whether the edge was told of `uid`.
    #[must_use]
    pub fn has_published(&self, uid: &str) -> bool {
        self.publications.contains_key(uid)
    }

    /// Notes a publication.
    pub fn published(&mut self, publication: &Publication) {
        self.publications.insert(publication.uid.as_str().into(), fingerprint(publication));
    }

    /// Notes that the edge serves nothing for `uid`.
    pub fn unpublished(&mut self, uid: &str) {
        self.publications.remove(uid);
    }

    /// Forgets everything about an object that is gone.
    pub fn forget(&mut self, uid: &str) {
        self.claims.remove(uid);
        self.renditions.remove(uid);
        self.publications.remove(uid);
    }

    /// Forgets everything: another database answers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
