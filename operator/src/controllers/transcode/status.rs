//! Says what came of a pass: the status, when it differs from the one shown, and events for what flipped.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use videocloud_crds::{
    TranscodeJob, TranscodeJobStatus,
    conditions::types,
    transcode::{FailureClass, Recommendation, TranscodeOutput},
    types::{BitsPerSecond, Bytes},
};
use videocloud_protocol::{failure::FailureClass as Class, rendition::RenditionSummary};

use super::{
    MANAGER,
    dereference::Facts,
    nearest::nearest,
    validate::Valid,
    verdict::{Made, Verdict, decide, made},
};
use crate::{
    controllers::{Error, Pass, World},
    events::Note,
    index::Written,
    status::{self, merge, same},
};

/// Writes the status of `job` if it changed.
///
/// # Errors
/// The API server's.
pub(super) async fn update(job: &TranscodeJob, valid: &Valid, facts: &Facts, world: &World) -> Result<Pass, Error> {
    let Some(verdict) = decide(valid, facts, world.settings.control.max_attempts) else { return Ok(Pass::UNCHANGED) };
    let next = compose(job, valid, facts, &verdict, Timestamp::now());
    if is_same(&facts.shown, &next) {
        return Ok(Pass::UNCHANGED);
    }
    if is_same_but_progress(&facts.shown, &next)
        && let Some(wait) = too_early(facts, world)
    {
        return Ok(Pass { changed: false, again: Some(wait) });
    }
    world.api.apply_status(job, MANAGER, &next).await?;
    {
        let over = job.metadata.resource_version.clone();
        let mut state = world.index.state();
        state.written_transcodes.insert(facts.uid.clone(), Written { over, status: next.clone() });
        state.progress_written.insert(facts.uid.clone(), Instant::now());
    }
    world.events.write(job, notes(&facts.shown, &next)).await;
    Ok(Pass { changed: true, again: None })
}

fn too_early(facts: &Facts, world: &World) -> Option<Duration> {
    let left = world.settings.control.progress_interval.checked_sub(facts.progress_written?.elapsed());
    left.filter(|left| !left.is_zero())
}

fn compose(job: &TranscodeJob, valid: &Valid, facts: &Facts, verdict: &Verdict, now: Timestamp) -> TranscodeJobStatus {
    let generation = job.metadata.generation;
    let rendition = valid.rendition.as_ref().ok();
    let made = made(valid, facts);
    let summary = match &made {
        Made::Found(summary) | Made::NearEnough(summary, _) | Made::ByRun(summary) => Some(summary),
        Made::No | Made::Shown => None,
    };
    let near = rendition
        .zip(facts.resolved.as_ref())
        .and_then(|(rendition, resolved)| nearest(&rendition.order.settings, &resolved.near));
    let counts = facts.run.as_ref().and_then(|run| run.counts);
    TranscodeJobStatus {
        observed_generation: generation,
        observed_retry: status::retry(job).map(str::to_owned),
        phase: Some(verdict.phase),
        conditions: merge(&facts.shown.conditions, &verdict.conditions(), generation, now),
        progress_percent: verdict.percent,
        chunks: counts.map(|(done, all)| format!("{done}/{all}")).or_else(|| facts.shown.chunks.clone()),
        settings: rendition.map(|rendition| rendition.settings.clone()),
        key: match (&summary, rendition) {
            (Some(summary), _) => Some(summary.key.to_string()),
            (None, Some(rendition)) => Some(rendition.order.key.to_string()),
            (None, None) => facts.shown.key.clone(),
        },
        run: facts.run.as_ref().map(|run| format!("tc-{}", run.run)).or_else(|| facts.shown.run.clone()),
        output: summary.map(output),
        reused: summary.map(|_| matches!(made, Made::Found(_) | Made::NearEnough(..))),
        recommended: near.filter(|_| !matches!(made, Made::Found(_))).map(|near| Recommendation {
            key: near.key.to_string(),
            distance: i32::try_from(near.distance).unwrap_or(100),
        }),
        failure_class: verdict.failure.map(class),
    }
}

fn output(summary: &RenditionSummary) -> TranscodeOutput {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    TranscodeOutput {
        size: Bytes::saturating(summary.size),
        width: number(summary.width),
        height: number(summary.height),
        duration_millis: i64::try_from(summary.duration_millis).unwrap_or(i64::MAX),
        bitrate: BitsPerSecond::saturating(summary.bits_per_second),
        crf: summary.quality.map(|quality| i32::from(quality.crf)),
        sample_vmaf_milli: summary.quality.and_then(|quality| quality.sample_vmaf_milli).map(number),
    }
}

const fn class(class: Class) -> FailureClass {
    match class {
        Class::BadInput => FailureClass::BadInput,
        Class::BadSpec => FailureClass::BadSpec,
        Class::SourceFailed => FailureClass::SourceFailed,
        Class::Stalled => FailureClass::Stalled,
        Class::Transient => FailureClass::Transient,
        Class::Resources => FailureClass::Resources,
        Class::StoreFull => FailureClass::StoreFull,
        Class::Interrupted => FailureClass::Interrupted,
    }
}

fn is_same(a: &TranscodeJobStatus, b: &TranscodeJobStatus) -> bool {
    let timeless = |status: &TranscodeJobStatus| TranscodeJobStatus { conditions: Vec::new(), ..status.clone() };
    same(&a.conditions, &b.conditions) && timeless(a) == timeless(b)
}

fn is_same_but_progress(a: &TranscodeJobStatus, b: &TranscodeJobStatus) -> bool {
    let settled =
        |status: &TranscodeJobStatus| TranscodeJobStatus { progress_percent: None, chunks: None, ..status.clone() };
    !a.conditions.is_empty() && is_same(&settled(a), &settled(b))
}

fn notes(old: &TranscodeJobStatus, new: &TranscodeJobStatus) -> Vec<Note> {
    [(types::READY, "True", "Transcode"), (types::STALLED, "True", "GiveUp")]
        .iter()
        .filter_map(|(kind, to, action)| Note::on_flip(kind, to, action, &old.conditions, &new.conditions))
        .collect()
}
