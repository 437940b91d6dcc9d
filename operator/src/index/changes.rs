//! What a change means: the row it makes, and whom it wakes.

use std::collections::BTreeSet;

use videocloud_crds::{TranscodeJob, VideoObject, videoobject::VideoPhase};
use videocloud_protocol::{
    ids::{ClaimKey, RenditionKey, RunId, TaskId, TaskKind},
    tracker::Updates,
};

use super::{Index, JobRow, Named, Refusal, State, TranscodeRow, VideoRow, Waiting, WatchedJob};

/// A VideoObject that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// Its name.
    pub name: Named,
    /// Its uid.
    pub uid: String,
    /// What it wanted.
    pub key: Option<ClaimKey>,
}

impl Index {
    /// A VideoObject appeared or changed.
    pub fn video_changed(&self, name: &Named, video: &VideoObject) {
        let row = VideoRow::of(video);
        let mut state = self.state();
        state.video_shown(video, &row);
        let old = state.videos.put(name, row.clone());
        let replaced = old.as_ref().filter(|old| old.uid != row.uid);
        if let Some(gone) = replaced {
            state.depart(name, gone);
        }
        let old = old.filter(|old| old.uid == row.uid);
        let dropped_key = old.as_ref().is_some_and(|old| old.key.is_some() && old.key != row.key);
        if dropped_key {
            state.ledger.unclaim(&row.uid);
        }
        // Whoever changes an object may have put right what kept its download.
        let freed = row.key.is_some_and(|key| state.refused.remove(&key).is_some());
        if old.as_ref().is_none_or(|old| old.content != row.content || old.retry != row.retry) {
            for job in state.transcodes.of_video(name) {
                self.transcode_wakes.push(job);
            }
        }
        let sweep = dropped_key || !state.departed.is_empty();
        drop(state);
        self.video_wakes.push(name);
        if freed || old.as_ref() != Some(&row) {
            self.admission.notify_one();
        }
        if sweep {
            self.sweep.notify_one();
        }
    }

    /// A VideoObject went.
    pub fn video_gone(&self, name: &Named) {
        let mut state = self.state();
        if let Some(row) = state.videos.remove(name) {
            state.depart(name, &row);
            for job in state.transcodes.of_video(name) {
                self.transcode_wakes.push(job);
            }
        }
        drop(state);
        self.admission.notify_one();
        self.sweep.notify_one();
    }

    /// A TranscodeJob appeared or changed.
    pub fn transcode_changed(&self, name: &Named, job: &TranscodeJob) {
        let row = TranscodeRow::of(name, job);
        let mut state = self.state();
        state.transcode_shown(job, &row);
        let old = state.transcodes.put(name, row.clone());
        drop(state);
        self.transcode_wakes.push(name);
        self.video_wakes.push(&row.video);
        if old.as_ref() != Some(&row) {
            self.admission.notify_one();
        }
    }

    /// A TranscodeJob went.
    pub fn transcode_gone(&self, name: &Named) {
        let mut state = self.state();
        if let Some(row) = state.transcodes.remove(name) {
            state.ledger.forget(&row.uid);
            state.progress_written.remove(&*row.uid);
            state.written_transcodes.remove(&*row.uid);
            self.video_wakes.push(&row.video);
        }
        drop(state);
        self.admission.notify_one();
        self.sweep.notify_one();
    }

    /// A TranscodeProfile appeared or changed.
    pub fn profile_changed(&self, profile: &str) {
        let state = self.state();
        for job in state.transcodes.of_profile(profile) {
            self.transcode_wakes.push(job);
        }
    }

    /// A Job appeared or changed. Jobs of strangers are ignored.
    pub fn job_changed(&self, job: &WatchedJob) {
        let (Some(name), Some(row)) = (job.metadata.name.as_deref(), JobRow::of(job)) else { return };
        let mut state = self.state();
        let (kind, renditions) = (row.kind, row.renditions.clone());
        let ended = row.state.is_finished();
        let old = state.jobs.put(name, row.clone());
        if old.as_ref() == Some(&row) {
            return;
        }
        if ended && old.as_ref().is_none_or(|old| !old.state.is_finished() || old.uid != row.uid) {
            let mark = state.tasks.mark();
            state.unsettled.insert(name.to_owned(), mark);
            self.poke.notify_one();
        } else if !ended {
            state.unsettled.remove(name);
        }
        self.wake_workers_owners(&state, kind, &renditions);
        drop(state);
        self.admission.notify_one();
        self.sweep.notify_one();
    }

    /// A Job went.
    pub fn job_gone(&self, name: &str) {
        let mut state = self.state();
        state.unsettled.remove(name);
        if let Some(row) = state.jobs.remove(name) {
            if let TaskKind::Download(key) = row.kind {
                state.given.remove(&key);
            }
            self.wake_workers_owners(&state, row.kind, &row.renditions);
        }
        drop(state);
        self.admission.notify_one();
    }

    /// The tracker answered. Returns whether another database did, which voids what it was told before.
    pub fn tracker_answered(&self, updates: Updates) -> bool {
        let mut state = self.state();
        let changed = state.tasks.apply(updates);
        if changed.new_epoch {
            state.ledger.clear();
            for (name, _) in state.videos.iter() {
                self.video_wakes.push(name);
            }
        }
        let tasks = &state.tasks;
        let settled: Vec<String> =
            state.unsettled.iter().filter(|(_, mark)| tasks.reached(**mark)).map(|(name, _)| name.clone()).collect();
        for name in &settled {
            state.unsettled.remove(name);
        }
        let names = settled.iter().filter_map(|name| name.parse().ok());
        let kinds = changed.tasks.iter().cloned().chain(names).filter_map(|task: TaskId| task.kind());
        let kinds: Vec<TaskKind> = kinds.collect();
        for kind in &kinds {
            let renditions = state.renditions_of(kind);
            self.wake_workers_owners(&state, *kind, &renditions);
        }
        drop(state);
        if !kinds.is_empty() || changed.new_epoch {
            self.admission.notify_one();
        }
        if changed.new_epoch {
            self.sweep.notify_one();
        }
        changed.new_epoch
    }

    fn wake_workers_owners(&self, state: &State, kind: TaskKind, renditions: &[RenditionKey]) {
        if let TaskKind::Download(key) = kind {
            for (video, _) in state.videos.owners(&key) {
                self.video_wakes.push(video);
            }
        }
        for job in renditions.iter().flat_map(|key| state.transcodes.of_key(key)) {
            self.transcode_wakes.push(job);
        }
    }

    /// Notes what admission found no place for, and wakes those it is news to.
    pub fn set_waiting(&self, waiting: Waiting) {
        let mut state = self.state();
        let old = std::mem::replace(&mut state.waiting, waiting);
        for key in old.downloads.symmetric_difference(&state.waiting.downloads) {
            self.wake_workers_owners(&state, TaskKind::Download(*key), &[]);
        }
        for job in
            old.renditions.symmetric_difference(&state.waiting.renditions).flat_map(|key| state.transcodes.of_key(key))
        {
            self.transcode_wakes.push(job);
        }
    }

    /// Notes that a download cannot be made for now, and has its owners say so.
    pub fn refuse(&self, key: &ClaimKey, refusal: Refusal) {
        let mut state = self.state();
        state.refused.insert(*key, refusal);
        self.wake_workers_owners(&state, TaskKind::Download(*key), &[]);
    }

    /// Notes that a task was forgotten by the tracker, and has its owners look again.
    pub fn task_forgotten(&self, task: &TaskId) {
        let mut state = self.state();
        state.tasks.forget(task);
        if let Some(kind) = task.kind() {
            let renditions = state.renditions_of(&kind);
            self.wake_workers_owners(&state, kind, &renditions);
        }
        drop(state);
        self.poke.notify_one();
        self.admission.notify_one();
    }

    /// Whether some Job's result is still to be read.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        !self.state().unsettled.is_empty()
    }

    /// Rung when the tracker should be read at once.
    pub(super) async fn poked(&self) {
        self.poke.notified().await;
    }

    /// Objects that went since the last call.
    #[must_use]
    pub fn take_departed(&self) -> Vec<Departed> {
        std::mem::take(&mut self.state().departed)
    }

    /// Puts back what could not be swept.
    pub fn put_departed(&self, departed: Vec<Departed>) {
        self.state().departed.extend(departed);
    }
}

impl State {
    /// Drops what was kept until the watch showed it.
    fn video_shown(&mut self, video: &VideoObject, row: &VideoRow) {
        let uid: &str = &row.uid;
        if self.written_videos.get(uid).is_some_and(|written| written.over != video.metadata.resource_version) {
            self.written_videos.remove(uid);
        }
        if row.content.is_some() {
            self.found.remove(uid);
            self.ledger.unclaim(uid);
        }
        let phase = video.status.as_ref().and_then(|shown| shown.phase);
        if matches!(phase, Some(VideoPhase::Ready | VideoPhase::Failed)) {
            self.progress_written.remove(uid);
        }
    }

    fn transcode_shown(&mut self, job: &TranscodeJob, row: &TranscodeRow) {
        let uid: &str = &row.uid;
        if self.written_transcodes.get(uid).is_some_and(|written| written.over != job.metadata.resource_version) {
            self.written_transcodes.remove(uid);
        }
        if row.succeeded || row.stalled {
            self.progress_written.remove(uid);
        }
        if row.succeeded {
            self.ledger.answered(uid);
        }
    }

    fn depart(&mut self, name: &Named, row: &VideoRow) {
        let uid: &str = &row.uid;
        self.ledger.forget(uid);
        self.found.remove(uid);
        self.progress_written.remove(uid);
        self.written_videos.remove(uid);
        self.departed.push(Departed { name: name.clone(), uid: uid.to_owned(), key: row.key });
    }

    fn renditions_of(&self, kind: &TaskKind) -> Vec<RenditionKey> {
        let run: RunId = match kind {
            TaskKind::Download(_) => return Vec::new(),
            TaskKind::Plan(run)
            | TaskKind::Chunks(run)
            | TaskKind::Again(run)
            | TaskKind::Chunk(run, _)
            | TaskKind::Finish(run) => *run,
        };
        let parts = [TaskId::plan(&run), TaskId::chunks(&run), TaskId::again(&run), TaskId::finish(&run)];
        let keys = parts.iter().filter_map(|task| self.jobs.get(task.as_str())).flat_map(|row| row.renditions.clone());
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
