//! Rows of TranscodeJobs, by video and by rendition key, and what the passes found each of them to need.

use std::collections::{BTreeSet, HashMap, HashSet};

use videocloud_crds::{TranscodeJob, conditions, transcode::TranscodePhase};
use videocloud_protocol::{
    ids::{ContentId, RenditionKey},
    task::{Chunking, RenditionOrder},
};

use super::Named;
use crate::{jobs::RunBounds, status};

/// What a TranscodeJob is to the rest of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscodeRow {
    /// Kubernetes uid.
    pub uid: String,
    /// The video it is about.
    pub video: Named,
    /// The profile it names.
    pub profile: Option<String>,
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
}

impl TranscodeRow {
    /// The row of `job`.
    #[must_use]
    pub fn of(job: &TranscodeJob) -> Self {
        let shown = job.status.as_ref();
        let failed = shown.is_some_and(|shown| status::is_true(&shown.conditions, conditions::types::STALLED));
        let current = status::is_current_job(job);
        let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
        Self {
            uid: job.metadata.uid.clone().unwrap_or_default(),
            video: Named::new(namespace, &job.spec.video_ref.name),
            profile: job.spec.profile_ref.as_ref().map(ToString::to_string),
            priority: job.spec.priority,
            created: job.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            suspended: job.spec.suspend,
            key: shown.and_then(|shown| shown.key.as_deref()?.parse().ok()),
            succeeded: shown.is_some_and(|shown| shown.phase == Some(TranscodePhase::Succeeded)),
            stalled: failed && current,
            retry: failed && !current,
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

/// All rows, by name, by video and by rendition.
#[derive(Debug, Default)]
pub struct TranscodeRows {
    rows: HashMap<Named, TranscodeRow>,
    videos: HashMap<Named, BTreeSet<Named>>,
    demands: HashMap<Named, Demand>,
    keys: HashMap<RenditionKey, BTreeSet<Named>>,
    seen: HashSet<Named>,
}

impl TranscodeRows {
    /// Puts the row of `name`, and returns the one it replaces.
    pub fn put(&mut self, name: &Named, row: TranscodeRow) -> Option<TranscodeRow> {
        self.videos.entry(row.video.clone()).or_default().insert(name.clone());
        if let Some(key) = row.key {
            self.keys.entry(key).or_default().insert(name.clone());
        }
        if row.succeeded || row.stalled {
            self.demands.remove(name);
        }
        self.rows.insert(name.clone(), row)
    }

    /// Drops the row of `name` and what it needs.
    pub fn remove(&mut self, name: &Named) -> Option<TranscodeRow> {
        let row = self.rows.remove(name)?;
        self.demands.remove(name);
        self.seen.remove(name);
        if let Some(names) = self.videos.get_mut(&row.video) {
            names.remove(name);
            if names.is_empty() {
                self.videos.remove(&row.video);
            }
        }
        self.keys.retain(|_, names| {
            names.remove(name);
            !names.is_empty()
        });
        Some(row)
    }

    /// The row of `name`.
    #[must_use]
    pub fn get(&self, name: &Named) -> Option<&TranscodeRow> {
        self.rows.get(name)
    }

    /// TranscodeJobs of a video, in the order of their names.
    pub fn of_video(&self, video: &Named) -> impl Iterator<Item = &Named> {
        self.videos.get(video).into_iter().flatten()
    }

    /// TranscodeJobs that want a rendition.
    pub fn of_key(&self, key: &RenditionKey) -> impl Iterator<Item = &Named> {
        self.keys.get(key).into_iter().flatten()
    }

    /// TranscodeJobs that name a profile.
    pub fn of_profile<'a>(&'a self, profile: &'a str) -> impl Iterator<Item = &'a Named> {
        self.rows.iter().filter(move |(_, row)| row.profile.as_deref() == Some(profile)).map(|(name, _)| name)
    }

    /// Notes what a pass found: `None` when nothing is needed, or nothing can be said yet. Returns whether that is news.
    pub fn need(&mut self, name: &Named, demand: Option<Demand>) -> bool {
        if !self.rows.contains_key(name) {
            return false;
        }
        let first = self.seen.insert(name.clone());
        let changed = match &demand {
            Some(demand) => {
                self.keys.entry(demand.order.key).or_default().insert(name.clone());
                self.demands.get(name) != Some(demand)
            }
            None => self.demands.contains_key(name),
        };
        match demand {
            Some(demand) => self.demands.insert(name.clone(), demand),
            None => self.demands.remove(name),
        };
        first || changed
    }

    /// What is needed, with the rows of those who need it.
    pub fn demands(&self) -> impl Iterator<Item = (&Named, &TranscodeRow, &Demand)> {
        self.demands.iter().filter_map(|(name, demand)| Some((name, self.rows.get(name)?, demand)))
    }

    /// Whether a pass has looked at `name` or its status says which rendition it is about.
    #[must_use]
    pub fn is_known(&self, name: &Named) -> bool {
        self.seen.contains(name) || self.rows.get(name).is_some_and(|row| row.key.is_some())
    }

    /// Whether every row is known, so that a rendition nobody is found to want is wanted by nobody.
    #[must_use]
    pub fn all_known(&self) -> bool {
        self.rows.keys().all(|name| self.is_known(name))
    }

    /// Rows whose status shows an earlier failure, and the rendition it was about.
    pub fn retries(&self) -> impl Iterator<Item = RenditionKey> {
        self.rows.values().filter(|row| row.retry).filter_map(|row| row.key)
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
}
