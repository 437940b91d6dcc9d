//! Rows of TranscodeJobs, by video and by rendition key, and what the passes found each of them to need.

use std::{collections::HashMap, sync::Arc};

use videocloud_crds::{TranscodeJob, conditions, transcode::TranscodePhase};
use videocloud_protocol::{
    ids::{ContentId, RenditionKey},
    task::{Chunking, RenditionOrder},
};

use super::{Named, group::Group};
use crate::{jobs::RunBounds, status};

/// What a TranscodeJob is to the rest of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscodeRow {
    /// Kubernetes uid.
    pub uid: Box<str>,
    /// The video it is about.
    pub video: Named,
    /// The profile it names.
    pub profile: Option<Box<str>>,
    /// Place in the queue: higher first.
    pub priority: i32,
    /// Creation, seconds since 1970.
    pub created: i64,
    /// Stopped by its owner.
    pub suspended: bool,
    /// The rendition its status shows.
    pub key: Option<RenditionKey>,
    /// Whether its status shows success.
    pub succeeded: bool,
    /// Whether its status shows a terminal failure of this very spec and retry annotation.
    pub stalled: bool,
    /// Whether its status shows a terminal failure of an earlier spec or retry annotation.
    pub retry: bool,
    /// Whether it was made ahead of requests.
    pub predicted: bool,
}

impl TranscodeRow {
    /// The row of `job`, which is called `name`.
    #[must_use]
    pub fn of(name: &Named, job: &TranscodeJob) -> Self {
        let shown = job.status.as_ref();
        let failed = shown.is_some_and(|shown| status::is_true(&shown.conditions, conditions::types::STALLED));
        let current = status::is_current_job(job);
        Self {
            uid: job.metadata.uid.as_deref().unwrap_or_default().into(),
            video: Named { namespace: Arc::clone(&name.namespace), name: job.spec.video_ref.name.as_str().into() },
            profile: job.spec.profile_ref.as_ref().map(|profile| profile.as_str().into()),
            priority: job.spec.priority,
            created: job.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            suspended: job.spec.suspend,
            key: shown.and_then(|shown| shown.key.as_deref()?.parse().ok()),
            succeeded: shown.is_some_and(|shown| shown.phase == Some(TranscodePhase::Succeeded)),
            stalled: failed && current,
            retry: failed && !current,
            predicted: status::is_predicted(job),
        }
    }
}

/// What a pass found a TranscodeJob to need: a rendition that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The content to read.
    pub source: ContentId,
    /// What to make of it.
    pub order: RenditionOrder,
    /// How to cut.
    pub chunking: Chunking,
    /// How hard to try.
    pub bounds: RunBounds,
    /// Kueue queue, if its owner names one.
    pub queue: Option<String>,
}

/// A row, whether a pass has looked at it, and what it needs.
#[derive(Debug)]
struct Entry {
    row: TranscodeRow,
    seen: bool,
    demand: Option<Box<Demand>>,
}

impl Entry {
    const fn is_known(&self) -> bool {
        self.seen || self.row.key.is_some()
    }
}

/// All rows, by name, by video and by rendition.
#[derive(Debug, Default)]
pub struct TranscodeRows {
    entries: HashMap<Named, Entry>,
    videos: HashMap<Named, Group<Named>>,
    keys: HashMap<RenditionKey, Group<Named>>,
}

impl TranscodeRows {
    /// Puts the row of `name`, and returns the one it replaces.
    pub fn put(&mut self, name: &Named, mut row: TranscodeRow) -> Option<TranscodeRow> {
        if let Some((video, _)) = self.videos.get_key_value(&row.video) {
            row.video = video.clone();
        }
        let join = |group: &mut Group<Named>| group.insert(name.clone());
        self.videos.entry(row.video.clone()).and_modify(join).or_insert_with(|| Group::One(name.clone()));
        if let Some(key) = row.key {
            self.wants(key, name);
        }
        let Some(entry) = self.entries.get_mut(name) else {
            self.entries.insert(name.clone(), Entry { row, seen: false, demand: None });
            return None;
        };
        if row.succeeded || row.stalled {
            entry.demand = None;
        }
        Some(std::mem::replace(&mut entry.row, row))
    }

    fn wants(&mut self, key: RenditionKey, name: &Named) {
        let join = |group: &mut Group<Named>| group.insert(name.clone());
        self.keys.entry(key).and_modify(join).or_insert_with(|| Group::One(name.clone()));
    }

    /// Drops the row of `name` and what it needs.
    pub fn remove(&mut self, name: &Named) -> Option<TranscodeRow> {
        let Entry { row, seen: _, demand: _ } = self.entries.remove(name)?;
        if self.videos.get_mut(&row.video).is_some_and(|names| names.remove(name)) {
            self.videos.remove(&row.video);
        }
        self.keys.retain(|_, names| !names.remove(name));
        Some(row)
    }

    /// The row of `name`.
    #[must_use]
    pub fn get(&self, name: &Named) -> Option<&TranscodeRow> {
        self.entries.get(name).map(|entry| &entry.row)
    }

    /// TranscodeJobs of a video, in the order of their names.
    pub fn of_video(&self, video: &Named) -> impl Iterator<Item = &Named> {
        self.videos.get(video).into_iter().flat_map(Group::iter)
    }

    /// TranscodeJobs that want a rendition.
    pub fn of_key(&self, key: &RenditionKey) -> impl Iterator<Item = &Named> {
        self.keys.get(key).into_iter().flat_map(Group::iter)
    }

    /// TranscodeJobs that name a profile.
    pub fn of_profile<'a>(&'a self, profile: &'a str) -> impl Iterator<Item = &'a Named> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.row.profile.as_deref() == Some(profile))
            .map(|(name, _)| name)
    }

    /// Notes what a pass found: `None` when nothing is needed, or nothing can be said yet. Returns whether that is news.
    pub fn need(&mut self, name: &Named, demand: Option<Demand>) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        let first = !std::mem::replace(&mut entry.seen, true);
        let changed = entry.demand.as_deref() != demand.as_ref();
        let key = demand.as_ref().map(|demand| demand.order.key);
        entry.demand = demand.map(Box::new);
        if let Some(key) = key {
            self.wants(key, name);
        }
        first || changed
    }

    /// What is needed, with the rows of those who need it.
    pub fn demands(&self) -> impl Iterator<Item = (&Named, &TranscodeRow, &Demand)> {
        self.entries.iter().filter_map(|(name, entry)| Some((name, &entry.row, entry.demand.as_deref()?)))
    }

    /// Whether a pass has looked at `name` or its status says which rendition it is about.
    #[must_use]
    pub fn is_known(&self, name: &Named) -> bool {
        self.entries.get(name).is_some_and(Entry::is_known)
    }

    /// Whether every row is known, so that a rendition nobody is found to want is wanted by nobody.
    #[must_use]
    pub fn all_known(&self) -> bool {
        self.entries.values().all(Entry::is_known)
    }

    /// Rows whose status shows an earlier failure, and the rendition it was about.
    pub fn retries(&self) -> impl Iterator<Item = RenditionKey> {
        self.entries.values().map(|entry| &entry.row).filter(|row| row.retry).filter_map(|row| row.key)
    }

    /// Every row with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Named, &TranscodeRow)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.row))
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
