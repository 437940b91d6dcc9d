//! What is known of a VideoObject, from the index alone: nothing is asked for here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use videocloud_crds::{
    TranscodeJob, VideoObject, VideoObjectStatus,
    conditions::{types, video as reasons},
};
use videocloud_protocol::{ids::ClaimKey, tracker::ClaimAnswer};

use super::wish::Wish;
use crate::{
    controllers::World,
    index::{Named, Written},
    status,
    work::WorkState,
};

/// Everything a pass goes by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: Named,
    /// The status as it is shown, or as it was written and will be shown.
    pub(super) shown: VideoObjectStatus,
    /// What the tracker answered to the claim.
    pub(super) answer: Option<ClaimAnswer>,
    /// How the download stands.
    pub(super) download: WorkState,
    /// Whether admission found no place for it.
    pub(super) waiting: bool,
    /// Why its Secrets or documents cannot be had.
    pub(super) refused: Option<String>,
    /// Whether it has been without a source that gives bytes for longer than that may pass without a word.
    pub(super) unanswered: bool,
    /// How much longer it may.
    pub(super) quiet_for: Option<Duration>,
    /// Whether somebody else's object wants the same and was first.
    pub(super) joined: bool,
    /// TranscodeJobs of this video, by name.
    pub(super) transcodes: Vec<Arc<TranscodeJob>>,
    /// When progress was last written.
    pub(super) progress_written: Option<Instant>,
    /// Whether another try was asked for after a terminal failure.
    pub(super) retry: bool,
    /// How many lost Jobs are too many.
    pub(super) max_attempts: u32,
    /// Which making of the download Job runs or ran.
    pub(super) attempt: u32,
}

impl Facts {
    /// Whether the status says that bytes which are still coming are served.
    pub(super) fn was_arriving(&self) -> bool {
        let delivered = status::find(&self.shown.conditions, types::DELIVERED);
        delivered.is_some_and(|shown| shown.reason == reasons::ARRIVING)
    }

    /// Whether the worker of a download shows some of it to others. One that begins again shows it again before long.
    pub(super) fn is_arriving(&self) -> bool {
        match &self.download {
            WorkState::Active { progress, .. } => {
                self.was_arriving() || progress.as_ref().is_some_and(|now| now.leading > 0)
            }
            _ => false,
        }
    }
}

/// Looks everything up.
pub(super) fn dereference(video: &VideoObject, world: &World) -> Facts {
    let name = Named::of(video);
    let uid = video.metadata.uid.as_deref().unwrap_or_default();
    let key = Wish::read(video).ok().map(|wish| wish.key);
    let state = world.index.state();
    let written = state.written_videos.get(uid);
    let shown = match written {
        Some(Written { over, status }) if *over == video.metadata.resource_version => status.clone(),
        _ => video.status.clone().unwrap_or_default(),
    };
    let task = key.map(|key| videocloud_protocol::ids::TaskId::download(&key));
    let joined = |key: &ClaimKey| {
        let first = state.videos.owners(key).min_by_key(|(name, row)| (row.created, (*name).clone()));
        first.is_some_and(|(first, _)| *first != name)
    };
    let jobs: Vec<Named> = state.transcodes.of_video(&name).cloned().collect();
    let failed = status::is_true(&shown.conditions, types::STALLED);
    let current = shown.observed_generation == video.metadata.generation
        && shown.observed_retry.as_deref() == status::retry(video);
    let download = task.as_ref().map_or(WorkState::Absent, |task| state.work(task));
    let quiet = match &download {
        WorkState::Active { quiet_since: Some(since), .. } => Some(since.elapsed()),
        _ => None,
    };
    let patience = world.settings.jobs.no_source_after;
    let facts = Facts {
        refused: key.and_then(|key| Some(state.refused.get(&key)?.message.clone())),
        unanswered: quiet.is_some_and(|quiet| quiet >= patience),
        quiet_for: quiet.and_then(|quiet| patience.checked_sub(quiet)).filter(|left| !left.is_zero()),
        answer: key.and_then(|key| state.ledger.claim(uid, &key).cloned()),
        download,
        waiting: key.is_some_and(|key| state.waiting.downloads.contains(&key)),
        joined: key.is_some_and(|key| joined(&key)),
        transcodes: Vec::new(),
        progress_written: state.progress_written.get(uid).copied(),
        retry: failed && !current,
        max_attempts: world.settings.control.max_attempts,
        attempt: task.and_then(|task| state.jobs.get(task.as_str()).map(|job| job.attempt)).unwrap_or(1),
        shown,
        name,
    };
    drop(state);
    let transcodes = jobs.iter().filter_map(|job| world.index.transcodes.get(job)).collect();
    Facts { transcodes, ..facts }
}
