//! Says what came of a pass: the status, when it differs from the one shown, and events for what flipped.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use videocloud_crds::{
    TranscodeJob, VideoObject, VideoObjectStatus,
    conditions::types,
    transcode::TranscodePhase,
    videoobject::{Media, RenditionState, RenditionStatus, SourceState, SourceStatus},
};
use videocloud_protocol::task::{SourceReport, SourceState as Reported};

use super::{
    LEAST_PROGRESS_INTERVAL, MANAGER,
    apply::Resources,
    build::{is_growing, job_for},
    content::Found,
    dereference::Facts,
    endpoints::{self, endpoints},
    story,
    validate::Valid,
    verdict::{Verdict, decide},
};
use crate::{
    controllers::{Error, Pass, World},
    index::Written,
    status::{self, merge, same},
    work::WorkState,
};

/// How long a video that has just been found waits for its TranscodeJobs to say something.
const SETTLING: Duration = Duration::from_secs(10);

/// Writes the status of `video` if it changed.
///
/// # Errors
/// The API server's.
pub(super) async fn update(
    video: &VideoObject,
    valid: &Valid,
    facts: &Facts,
    resources: &Resources,
    world: &World,
) -> Result<Pass, Error> {
    if resources.made || is_settling(valid, facts) {
        // What a TranscodeJob that was just made says, or a moment without it, comes first: one write in place of two.
        return Ok(Pass { changed: false, again: Some(SETTLING) });
    }
    let published = resources.publication.is_some();
    // Nobody wakes a video when nothing happens to it for a while.
    let unchanged = Pass { changed: false, again: facts.quiet_for };
    let Some(verdict) = decide(valid, facts, published) else { return Ok(unchanged) };
    let next = compose(video, valid, facts, &verdict, published, world.settings.edge_url.as_ref(), Timestamp::now());
    if is_same(&facts.shown, &next) {
        return Ok(unchanged);
    }
    if is_same_but_progress(&facts.shown, &next)
        && let Some(wait) = too_early(facts, world)
    {
        return Ok(Pass { changed: false, again: Some(wait) });
    }
    world.api.apply_status(video, MANAGER, &next).await?;
    {
        let over = video.metadata.resource_version.clone();
        let mut state = world.index.state();
        state.written_videos.insert(valid.uid.clone(), Written { over, status: next.clone() });
        state.progress_written.insert(valid.uid.clone(), Instant::now());
    }
    for source in story::dropped(&facts.shown, &next) {
        world.metrics.source_dropped(source.reason.as_deref().unwrap_or_default());
    }
    world.events.write(video, story::notes(&facts.shown, &next)).await;
    Ok(Pass { changed: true, again: facts.quiet_for })
}

/// Whether the content has just been found and some TranscodeJob that was made for it says nothing yet.
fn is_settling(valid: &Valid, facts: &Facts) -> bool {
    let fresh = |job: &TranscodeJob| {
        let made = job.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        job.status.is_none() && Timestamp::now().duration_since(made).unsigned_abs() < SETTLING
    };
    facts.shown.content.is_none()
        && valid.profiles.iter().any(|profile| job_for(facts, valid, profile).is_some_and(fresh))
}

fn too_early(facts: &Facts, world: &World) -> Option<Duration> {
    let interval = world.settings.control.progress_interval.max(LEAST_PROGRESS_INTERVAL);
    interval.checked_sub(facts.progress_written?.elapsed()).filter(|left| !left.is_zero())
}

/// The status a verdict makes.
fn compose(
    video: &VideoObject,
    valid: &Valid,
    facts: &Facts,
    verdict: &Verdict,
    published: bool,
    edge: Option<&url::Url>,
    now: Timestamp,
) -> VideoObjectStatus {
    let found = Found::of(facts);
    let generation = video.metadata.generation;
    let jobs: Vec<(&String, Option<&TranscodeJob>)> =
        valid.profiles.iter().map(|profile| (profile, job_for(facts, valid, profile))).collect();
    let finished: Vec<&TranscodeJob> = jobs.iter().filter_map(|(_, job)| job.filter(|job| is_finished(job))).collect();
    let growing: Vec<&TranscodeJob> = jobs.iter().filter_map(|(_, job)| job.filter(|job| is_growing(job))).collect();
    let shown = &facts.shown;
    let mut content = found.as_ref().map(|found| found.content.clone());
    if let Some(content) = content.as_mut().filter(|content| content.media.is_none()) {
        content.media = media(shown);
    }
    VideoObjectStatus {
        observed_generation: generation,
        observed_retry: status::retry(video).map(str::to_owned),
        phase: Some(verdict.phase),
        conditions: merge(&shown.conditions, &verdict.conditions(), generation, now),
        progress_percent: verdict.percent,
        content,
        verification: found.as_ref().and_then(|found| found.verification),
        sources: sources(valid, facts),
        renditions: jobs.iter().map(|(profile, job)| rendition(profile, *job)).collect(),
        endpoints: match found {
            Some(_) => endpoints(edge, &valid.name, &finished, &growing),
            None if published => endpoints::arriving(edge, &valid.name),
            None => Vec::new(),
        },
        claim_key: valid.wish.as_ref().ok().map(|wish| wish.key.to_string()),
    }
}

fn media(shown: &VideoObjectStatus) -> Option<Media> {
    shown.content.as_ref().and_then(|content| content.media.clone())
}

fn is_finished(job: &TranscodeJob) -> bool {
    job.status.as_ref().is_some_and(|shown| shown.phase == Some(TranscodePhase::Succeeded))
}

fn rendition(profile: &str, job: Option<&TranscodeJob>) -> RenditionStatus {
    let shown = job.and_then(|job| job.status.as_ref());
    let stalled =
        shown.and_then(|shown| status::find(&shown.conditions, types::STALLED)).filter(|c| c.status == "True");
    let output = shown.and_then(|shown| shown.output.as_ref());
    let state = match shown.and_then(|shown| shown.phase) {
        Some(TranscodePhase::Succeeded) if shown.is_some_and(|shown| shown.reused == Some(true)) => {
            RenditionState::Reused
        }
        Some(TranscodePhase::Succeeded) => RenditionState::Ready,
        Some(TranscodePhase::Failed) => RenditionState::Failed,
        Some(TranscodePhase::Planning | TranscodePhase::Encoding | TranscodePhase::Finishing) => {
            RenditionState::Transcoding
        }
        _ => RenditionState::Pending,
    };
    RenditionStatus {
        profile_ref: profile.into(),
        state,
        key: shown.and_then(|shown| shown.key.clone()),
        reason: stalled.map(|why| why.reason.chars().take(64).collect()),
        message: stalled.map(|why| why.message.chars().take(1024).collect()),
        transcode_job: job.and_then(|job| job.metadata.name.as_deref()).map(Into::into),
        width: output.map(|output| output.width),
        height: output.map(|output| output.height),
        bitrate: output.map(|output| output.bitrate),
        size: output.map(|output| output.size),
    }
}

/// Sources as the worker reported them last; before that, as they are shown.
fn sources(valid: &Valid, facts: &Facts) -> Vec<SourceStatus> {
    let Ok(wish) = &valid.wish else { return facts.shown.sources.clone() };
    let reports: &[SourceReport] = match &facts.download {
        WorkState::Active { progress: Some(progress), .. } => &progress.sources,
        WorkState::Failed(failed) => &failed.sources,
        WorkState::Succeeded(_) => match facts.download.outcome() {
            Some(videocloud_protocol::task::Outcome::Download(outcome)) => &outcome.sources,
            _ => &[],
        },
        _ => &[],
    };
    let known = |name: &str| facts.shown.sources.iter().find(|source| source.name.as_str() == name).cloned();
    let one = |name: &str| match reports.iter().find(|report| report.name == name) {
        Some(report) => reported(report),
        None => known(name).unwrap_or_else(|| waiting(name)),
    };
    wish.sources.iter().map(|source| one(&source.name)).collect()
}

fn waiting(name: &str) -> SourceStatus {
    SourceStatus { name: name.into(), state: SourceState::Waiting, reason: None, message: None }
}

fn reported(report: &SourceReport) -> SourceStatus {
    SourceStatus {
        name: report.name.as_str().into(),
        state: match report.state {
            Reported::Waiting => SourceState::Waiting,
            Reported::Active => SourceState::Active,
            Reported::Idle => SourceState::Idle,
            Reported::Failed => SourceState::Failed,
            Reported::Banned => SourceState::Banned,
        },
        reason: report.reason.as_ref().map(|text| text.chars().take(64).collect()),
        message: report.message.as_ref().map(|text| text.chars().take(1024).collect()),
    }
}

/// Whether two statuses say the same, times aside.
fn is_same(a: &VideoObjectStatus, b: &VideoObjectStatus) -> bool {
    let timeless = |status: &VideoObjectStatus| VideoObjectStatus { conditions: Vec::new(), ..status.clone() };
    same(&a.conditions, &b.conditions) && timeless(a) == timeless(b)
}

/// Whether two statuses differ in what may wait: percent, and how sources and renditions fare meanwhile.
fn is_same_but_progress(a: &VideoObjectStatus, b: &VideoObjectStatus) -> bool {
    let settled = |status: &VideoObjectStatus| VideoObjectStatus {
        progress_percent: None,
        sources: Vec::new(),
        renditions: Vec::new(),
        ..status.clone()
    };
    !a.conditions.is_empty() && is_same(&settled(a), &settled(b))
}
