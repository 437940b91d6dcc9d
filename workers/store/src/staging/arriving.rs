//! A download in progress as others see it: the bytes that its holder shows, before all are there.
//!
//! What may be read is in the checkpoint, which is written after the data it speaks of. The bytes are in the area's data file, or on
//! S3 in the parts that are complete.

use std::{collections::BTreeMap, ops::Range};

use videocloud_protocol::{ids::ClaimKey, rendition::TreePath};

use super::{
    parts::{PartPlan, RangeSet},
    state::{StoredPart, decode},
};
use crate::{
    Store,
    error::{Result, StoreError},
    layout::{self, ObjectPath},
    objects::{ByteStream, Objects},
};

/// A download as its last checkpoint shows it.
#[derive(Debug, Clone)]
pub struct Arriving {
    store: Store,
    folder: ObjectPath,
    size: u64,
    mime: String,
    there: RangeSet,
    plan: PartPlan,
    parts: BTreeMap<u64, StoredPart>,
}

impl Store {
    /// The download in progress of `claim`, with nothing to read while its holder shows nothing; `None` when there is none (any more).
    ///
    /// # Errors
    /// [`StoreError`] of the backend, [`StoreError::Corrupt`] for a checkpoint that cannot be read.
    pub async fn arriving(&self, claim: &ClaimKey) -> Result<Option<Arriving>> {
        let folder = layout::staging(claim);
        let Some((bytes, _)) = self.objects().find(&named(&folder, "checkpoint")?).await? else { return Ok(None) };
        let (header, _) = decode(folder.as_str(), &bytes)?;
        let size = header.size.unwrap_or_default();
        let plan = header.plan.unwrap_or_else(|| PartPlan::for_size(Some(size)));
        let (mime, proven) = header.shown.map(|shown| (shown.mime, shown.proven)).unwrap_or_default();
        let mut there: RangeSet = proven.into_iter().filter(|range| range.end <= size).collect();
        if matches!(self.objects(), Objects::S3(_)) {
            let stored = header.parts.iter().map(|(&part, stored)| {
                let start = part * plan.part_size();
                start..start + stored.size
            });
            there = there.and(&stored.collect());
        }
        Ok(Some(Arriving { store: self.clone(), folder, size, mime, there, plan, parts: header.parts }))
    }
}

impl Arriving {
    /// Bytes of the whole content.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that may be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.there.iter().map(|range| range.end - range.start).sum()
    }

    /// Media type of the content; empty while nothing is shown.
    #[must_use]
    pub fn mime(&self) -> &str {
        &self.mime
    }

    /// Where the bytes that may be read from `at` on end; `None` when that one may not be.
    #[must_use]
    pub fn run_from(&self, at: u64) -> Option<u64> {
        self.there.run_from(at)
    }

    /// Streams `range`, all of which may be read, and of S3 only as far as the part it begins in.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the download has ended since.
    pub async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        let part = self.plan.touched(&range).start;
        let Some(stored) = self.parts.get(&part) else {
            return self.store.objects().read(&named(&self.folder, "data")?, range).await;
        };
        let start = part * self.plan.part_size();
        let within = range.start - start..range.end.min(start + stored.size) - start;
        self.store.objects().read(&named(&self.folder, &format!("parts/{}", stored.name))?, within).await
    }
}

fn named(folder: &ObjectPath, name: &str) -> Result<ObjectPath> {
    let path: std::result::Result<TreePath, _> = name.parse();
    let path =
        path.map_err(|_| StoreError::Corrupt { what: folder.to_string(), detail: format!("a part named {name:?}") })?;
    Ok(folder.join(&path))
}
