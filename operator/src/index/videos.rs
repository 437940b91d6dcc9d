//! Rows of VideoObjects: what admission and the sweep need of each, found by claim key.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use videocloud_crds::{VideoObject, conditions};
use videocloud_protocol::{
    ids::{ClaimKey, ContentId},
    tracker::{ClaimOwner, LiveClaim},
};

use super::{
    Named,
    asks::{self, Ask, Wanted},
    group::Group,
};
use crate::{controllers::video::Wish, status};

/// What a VideoObject is to the rest of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoRow {
    /// Kubernetes uid.
    pub uid: Box<str>,
    /// What it wants, if its spec can be read.
    pub key: Option<ClaimKey>,
    /// Place in the queue: higher first.
    pub priority: i32,
    /// Creation, seconds since 1970.
    pub created: i64,
    /// Stopped by its owner.
    pub suspended: bool,
    /// The content its status shows.
    pub content: Option<ContentId>,
    /// Whether its status shows a terminal failure of this very spec and retry annotation.
    pub stalled: bool,
    /// Whether its status shows a terminal failure of an earlier spec or retry annotation.
    pub retry: bool,
    /// Renditions its spec asks for.
    pub renditions: u8,
    /// What it asks of its pool; `None` for the usual.
    pub ask: Option<Box<Ask>>,
    /// The rate at which its original plays, bytes per second; 0 while it is not known.
    pub playback: u32,
}

impl VideoRow {
    /// The row of `video`.
    #[must_use]
    pub fn of(video: &VideoObject) -> Self {
        let shown = video.status.as_ref();
        let failed = shown.is_some_and(|shown| status::is_true(&shown.conditions, conditions::types::STALLED));
        let current = status::is_current(video);
        Self {
            uid: video.metadata.uid.as_deref().unwrap_or_default().into(),
            key: Wish::read(video).ok().map(|wish| wish.key),
            priority: video.spec.priority,
            created: video.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            suspended: video.spec.suspend,
            content: status::content_id(video),
            stalled: failed && current,
            retry: failed && !current,
            renditions: u8::try_from(video.spec.renditions.len()).unwrap_or(u8::MAX),
            ask: Ask::of(video),
            playback: asks::playback(video),
        }
    }

    /// Whether it waits for a download.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.content.is_none() && !self.stalled
    }
}

/// All rows, by name and by claim key.
#[derive(Debug, Default)]
pub struct VideoRows {
    rows: HashMap<Named, VideoRow>,
    owners: HashMap<ClaimKey, Group<Named>>,
}

impl VideoRows {
    /// Puts the row of `name`, and returns the one it replaces.
    pub fn put(&mut self, name: &Named, row: VideoRow) -> Option<VideoRow> {
        let key = row.key;
        let old = self.rows.insert(name.clone(), row);
        if let Some(old_key) = old.as_ref().and_then(|old| old.key).filter(|old| Some(*old) != key) {
            self.disown(old_key, name);
        }
        if let Some(key) = key {
            self.owners
                .entry(key)
                .and_modify(|names| names.insert(name.clone()))
                .or_insert_with(|| Group::One(name.clone()));
        }
        old
    }

    /// Drops the row of `name`.
    pub fn remove(&mut self, name: &Named) -> Option<VideoRow> {
        let row = self.rows.remove(name)?;
        if let Some(key) = row.key {
            self.disown(key, name);
        }
        Some(row)
    }

    fn disown(&mut self, key: ClaimKey, name: &Named) {
        if self.owners.get_mut(&key).is_some_and(|names| names.remove(name)) {
            self.owners.remove(&key);
        }
    }

    /// The row of `name`.
    #[must_use]
    pub fn get(&self, name: &Named) -> Option<&VideoRow> {
        self.rows.get(name)
    }

    /// Objects that want `key`, in the order of their names.
    pub fn owners(&self, key: &ClaimKey) -> impl Iterator<Item = (&Named, &VideoRow)> {
        self.owners.get(key).into_iter().flat_map(Group::iter).filter_map(|name| Some((name, self.rows.get(name)?)))
    }

    /// Whether anybody wants `key`.
    #[must_use]
    pub fn is_owned(&self, key: &ClaimKey) -> bool {
        self.owners.contains_key(key)
    }

    /// Keys some object still waits for.
    #[must_use]
    pub fn open_keys(&self) -> BTreeSet<ClaimKey> {
        self.rows.values().filter(|row| row.is_open() || row.retry).filter_map(|row| row.key).collect()
    }

    /// Every claim that is alive.
    #[must_use]
    pub fn live_claims(&self) -> Vec<LiveClaim> {
        let claim = |(name, row): (&Named, &VideoRow)| {
            let owner = ClaimOwner {
                uid: row.uid.to_string(),
                namespace: name.namespace.to_string(),
                name: name.name.to_string(),
            };
            row.key.map(|key| LiveClaim { key, owner, content: row.content })
        };
        self.rows.iter().filter_map(claim).collect()
    }

    /// The contents that `pool` pays for, and what each of their videos asks.
    #[must_use]
    pub fn wanted(&self, pool: &str, default_pool: &str) -> BTreeMap<ContentId, Vec<Wanted>> {
        asks::wanted(self.rows.iter(), pool, default_pool)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every row with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Named, &VideoRow)> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u8) -> VideoRow {
        VideoRow {
            uid: "u".into(),
            key: Some(ClaimKey::from_bytes([key; 16])),
            priority: 0,
            created: 0,
            suspended: false,
            content: None,
            stalled: false,
            retry: false,
            renditions: 0,
            ask: None,
            playback: 0,
        }
    }

    #[test]
    fn owners_follow_the_key() {
        let (mut rows, name) = (VideoRows::default(), Named::new("n", "a"));
        let (one, two) = (ClaimKey::from_bytes([1; 16]), ClaimKey::from_bytes([2; 16]));
        rows.put(&name, row(1));
        rows.put(&Named::new("n", "b"), row(1));
        rows.put(&name, row(2));
        assert_eq!(rows.owners(&one).count(), 1);
        assert_eq!(rows.owners(&two).count(), 1);
        rows.remove(&name);
        assert!(!rows.is_owned(&two));
        assert!(rows.is_owned(&one));
    }

    #[test]
    fn only_what_waits_is_open() {
        let mut rows = VideoRows::default();
        rows.put(&Named::new("n", "waits"), row(1));
        rows.put(&Named::new("n", "has"), VideoRow { content: Some(ContentId::from_bytes([9; 32])), ..row(2) });
        rows.put(&Named::new("n", "failed"), VideoRow { stalled: true, ..row(3) });
        rows.put(&Named::new("n", "again"), VideoRow { retry: true, ..row(4) });
        let open: Vec<u8> = rows.open_keys().iter().map(|key| key.as_bytes()[0]).collect();
        assert_eq!(open, [1, 4]);
        assert_eq!(rows.live_claims().len(), 4);
    }
}
