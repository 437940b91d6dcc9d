//! Whether the bytes in the staging area are what was wanted: size, digest, and that they are media at all.

mod ed2k;
mod hashes;
mod prefix;
mod sniff;
mod three_chunk;
mod torrent;

use videocloud_protocol::content::{ContentManifest, Verification};
use videocloud_protocol::digest::Digest;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::ContentId;
use videocloud_store::Staging;

pub use hashes::{Hashes, Which};
pub(crate) use prefix::Hashed;
pub use prefix::Prefix;
#[cfg(test)]
pub(crate) use prefix::Reach;
pub use sniff::{Kind, sniff};

use crate::engine::{Order, Status, stored};

/// Bytes the kind of a content is told by.
pub(crate) const HEAD: usize = 8192;

/// What verification found.
#[derive(Debug)]
pub enum Verdict {
    /// It is what was wanted; the manifest lacks only the time of publication.
    Good(Box<ContentManifest>),
    /// The digest does not hold; this is the one the bytes have.
    WrongDigest(String),
    /// It cannot be what was wanted, whoever sent it.
    Bad(Failure),
}

/// What the whole content must hash to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its digests.
    pub digests: Vec<Digest>,
    /// Its ed2k hash.
    pub ed2k: Option<[u8; 16]>,
}

/// Hashes what is left of the `size` staged bytes and judges.
///
/// # Errors
/// The staging area cannot be read.
pub async fn verify(
    running: &mut Prefix,
    staging: &Staging,
    size: u64,
    order: &Order,
    expected: &Expected,
    verification: Verification,
    status: &Status,
) -> Result<Verdict, Failure> {
    if size == 0 {
        let message = "there is not one byte behind the link; check it";
        return Ok(Verdict::Bad(Failure::new(FailureClass::BadInput, reason::EMPTY, message)));
    }
    let head =
        staging.read_at(0, usize::try_from(size).unwrap_or(HEAD).min(HEAD)).await.map_err(|error| stored(&error))?;
    let kind = sniff(&head);
    if let (Kind::Other(what), false) = (&kind, order.any_content) {
        let message = format!("what came is {what}, not a video; check that the link leads to the file itself");
        return Ok(Verdict::Bad(Failure::new(FailureClass::BadInput, reason::NOT_MEDIA, message)));
    }
    let hashes = running.finish(size, status).await?;
    for wanted in &expected.digests {
        let actual = hashes.digest(wanted.algorithm());
        if actual.as_ref() != Some(wanted) {
            return Ok(Verdict::WrongDigest(actual.map_or_else(String::new, |actual| actual.to_string())));
        }
    }
    if expected.ed2k.is_some() && expected.ed2k != hashes.ed2k {
        return Ok(Verdict::WrongDigest(format!("ed2k:{}", hashes.ed2k.map(hex::encode).unwrap_or_default())));
    }
    let mut content = hashes.known_by();
    if order.hashes == Which::ALL {
        content.three_chunk = Some(three_chunk::of(staging, size).await?);
    }
    let mut manifest = ContentManifest {
        id: ContentId::from_bytes(hashes.sha256),
        size,
        mime: kind.mime().to_owned(),
        hashes: content,
        verification,
        visibility: order.visibility.clone(),
        created: 0,
    };
    if order.hashes == Which::ALL {
        let torrents = torrent::of(staging, &manifest).await?;
        let hashes = torrents.hashes();
        manifest.hashes.info_hash_v1 = hashes.v1().map(|hash| hash.to_string());
        manifest.hashes.info_hash_v2 = hashes.v2().map(|hash| hash.to_string());
        staging.put_torrent(&manifest.id, torrents.kept().clone()).await.map_err(|error| stored(&error))?;
    }
    Ok(Verdict::Good(Box::new(manifest)))
}
