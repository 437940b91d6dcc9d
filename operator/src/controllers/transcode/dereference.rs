//! What is known of a TranscodeJob, from the index alone.

use std::{sync::Arc, time::Instant};

use videocloud_crds::{TranscodeJob, TranscodeJobStatus, TranscodeProfile, VideoObject, conditions::types};
use videocloud_protocol::ids::ContentId;

use crate::{
    controllers::World,
    index::{Index, Named, Resolved, RunView, State, Written},
    status,
};

/// Everything a pass goes by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: Named,
    pub(super) uid: String,
    /// The status as it is shown, or as it was written and will be shown.
    pub(super) shown: TranscodeJobStatus,
    /// The video, if it is there.
    pub(super) video: Option<Arc<VideoObject>>,
    /// Its content, once known.
    pub(super) source: Option<ContentId>,
    /// The profile, if one is named and there.
    pub(super) profile: Option<Arc<TranscodeProfile>>,
    /// What the tracker answered about the rendition.
    pub(super) resolved: Option<Resolved>,
    /// The run that makes or made it.
    pub(super) run: Option<RunView>,
    /// Whether admission found no place for it.
    pub(super) waiting: bool,
    /// When progress was last written.
    pub(super) progress_written: Option<Instant>,
    /// Whether another try was asked for after a terminal failure.
    pub(super) retry: bool,
    /// The recommended rendition its owner takes in place of the one asked for: its key, or `true` for whichever it is.
    pub(super) accepted: Option<String>,
}

/// Looks everything up.
pub(super) fn dereference(job: &TranscodeJob, world: &World) -> Facts {
    let name = Named::of(job);
    let uid = job.metadata.uid.clone().unwrap_or_default();
    let index: &Index = &world.index;
    let video = index.videos.get(&Named::new(&name.namespace, &job.spec.video_ref.name));
    let profile = job.spec.profile_ref.as_ref().and_then(|profile| index.profiles.get(&Named::new("", profile)));
    let state = index.state();
    let shown = match state.written_transcodes.get(&uid) {
        Some(Written { over, status }) if *over == job.metadata.resource_version => status.clone(),
        _ => job.status.clone().unwrap_or_default(),
    };
    let failed = status::is_true(&shown.conditions, types::STALLED);
    let current =
        shown.observed_generation == job.metadata.generation && shown.observed_retry.as_deref() == status::retry(job);
    Facts {
        source: video.as_deref().and_then(|video| source(&state, video)),
        video,
        profile,
        resolved: None,
        run: None,
        waiting: false,
        progress_written: state.progress_written.get(&uid).copied(),
        retry: failed && !current,
        accepted: status::accepted(job).map(str::to_owned),
        shown,
        name,
        uid,
    }
    .with_rendition(&state, job)
}

impl Facts {
    /// Adds what depends on the rendition's key.
    fn with_rendition(mut self, state: &State, job: &TranscodeJob) -> Self {
        if let Ok(super::validate::Rendition { order, .. }) = super::validate::read(job, &self) {
            self.resolved = state.ledger.resolved(&self.uid, &order.key).cloned();
            self.run = state.run_of(&order.key);
            self.waiting = state.waiting.renditions.contains(&order.key);
        }
        self
    }
}

/// The content of a video, as its status shows it or will show it.
fn source(state: &State, video: &VideoObject) -> Option<ContentId> {
    let uid = video.metadata.uid.as_deref().unwrap_or_default();
    status::content_id(video).or_else(|| state.found.get(uid).copied())
}
