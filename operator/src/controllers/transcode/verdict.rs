//! Where a TranscodeJob is on its way. Pure.

use videocloud_crds::{
    conditions::{shared, transcode as reasons, types},
    transcode::TranscodePhase,
};
use videocloud_protocol::{
    failure::{Failure, FailureClass},
    ids::TaskId,
    rendition::RenditionSummary,
    task::Progress,
};

use super::{
    dereference::Facts,
    nearest::{Near, nearest},
    validate::{NotYet, Valid},
};
use crate::{
    admission::RunStage,
    index::RunView,
    status::{Condition, coarse_percent},
    work::WorkState,
};

/// Whether the rendition is there, and whence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// Not yet.
    No,
    /// The status shows it.
    Shown,
    /// The tracker knew it.
    Found(RenditionSummary),
    /// The tracker knew one that is near enough.
    NearEnough(RenditionSummary, u32),
    /// A run made it.
    ByRun(RenditionSummary),
}

/// Whether the rendition is there.
pub(super) fn made(valid: &Valid, facts: &Facts) -> Made {
    let Ok(rendition) = &valid.rendition else { return Made::No };
    let key = rendition.order.key;
    if facts.shown.phase == Some(TranscodePhase::Succeeded) && facts.shown.key.is_some() {
        return Made::Shown;
    }
    let run = facts.run.as_ref().map(RunStage::of);
    if let Some(RunStage::Done(outcome)) = run
        && let Some(summary) = outcome.renditions.iter().find(|summary| summary.key == key)
    {
        return Made::ByRun(summary.clone());
    }
    let Some(resolved) = &facts.resolved else { return Made::No };
    if let Some(summary) = &resolved.exact {
        return Made::Found(summary.clone());
    }
    let accepted = |near: &Near| match facts.accepted.as_deref() {
        Some("true") => true,
        Some(key) => key == near.key.to_string(),
        None => false,
    };
    match nearest(&rendition.order.settings, &resolved.near) {
        Some(near) if accepted(&near) || (near.distance <= rendition.max_distance && facts.run.is_none()) => {
            let Near { key, distance } = near;
            let summary = resolved.near.iter().find(|summary| summary.key == key);
            summary.map_or(Made::No, |summary| Made::NearEnough(summary.clone(), distance))
        }
        _ => Made::No,
    }
}

/// What is said of a TranscodeJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) phase: TranscodePhase,
    pub(super) percent: Option<i32>,
    pub(super) ready: Condition,
    pub(super) planned: Condition,
    pub(super) encoded: Condition,
    pub(super) stalled: Condition,
    pub(super) failure: Option<FailureClass>,
}

impl Verdict {
    /// Conditions in the order they are shown.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let Self { phase: _, percent: _, ready, planned, encoded, stalled, failure: _ } = self;
        [ready, planned, encoded, stalled].map(Clone::clone).to_vec()
    }

    fn coming(phase: TranscodePhase, percent: i32, reason: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let planned = matches!(phase, TranscodePhase::Encoding | TranscodePhase::Finishing | TranscodePhase::Succeeded);
        let encoded = matches!(phase, TranscodePhase::Finishing | TranscodePhase::Succeeded);
        Self {
            phase,
            percent: (percent > 0).then_some(percent),
            ready: Condition::new(types::READY, Some(phase == TranscodePhase::Succeeded), reason, message),
            planned: Condition::new(types::PLANNED, Some(planned), reason, ""),
            encoded: Condition::new(types::ENCODED, Some(encoded), reason, ""),
            stalled: Condition::new(types::STALLED, Some(false), shared::HEALTHY, ""),
            failure: None,
        }
    }

    fn failed(failure: &Failure) -> Self {
        Self::ended(&failure.reason, &failure.message, failure.class)
    }

    fn ended(reason: &str, message: &str, class: FailureClass) -> Self {
        Self {
            stalled: Condition::new(types::STALLED, Some(true), reason, message),
            failure: Some(class),
            ..Self::coming(TranscodePhase::Failed, 0, reason, message)
        }
    }
}

/// Decides. `None` means that nothing can be said yet that would hold for longer than a moment.
pub(super) fn decide(valid: &Valid, facts: &Facts, max_attempts: u32) -> Option<Verdict> {
    let succeeded = |reason, message: String| Some(Verdict::coming(TranscodePhase::Succeeded, 100, reason, message));
    match made(valid, facts) {
        // Nothing about a rendition that is there can change any more.
        Made::Shown => return None,
        Made::ByRun(_) => return succeeded(reasons::COMPLETED, "The rendition is there.".into()),
        Made::Found(_) => return succeeded(reasons::REUSED, "The rendition was there already.".into()),
        Made::NearEnough(_, distance) => {
            return succeeded(reasons::REUSED, format!("A rendition at distance {distance} is used in its place."));
        }
        Made::No => {}
    }
    if let Err(NotYet { waits, reason, message }) = &valid.rendition {
        return Some(if *waits {
            Verdict::coming(TranscodePhase::Pending, 0, reason, message.clone())
        } else {
            Verdict::ended(reason, message, FailureClass::BadSpec)
        });
    }
    match &facts.run {
        Some(run) => of_run(run, valid, facts, max_attempts),
        None if valid.suspended => Some(suspended(0)),
        None if facts.waiting => Some(Verdict::coming(
            TranscodePhase::Queued,
            0,
            videocloud_crds::conditions::video::WAITING_FOR_ADMISSION,
            "As many transcodes run as may; this one is started when one of them ends. spec.priority orders the line.",
        )),
        None => None,
    }
}

fn suspended(percent: i32) -> Verdict {
    let message = "Stopped by suspend of this TranscodeJob or its video; set it to false to go on.";
    Verdict::coming(TranscodePhase::Suspended, percent, shared::SUSPENDED, message)
}

fn of_run(run: &RunView, valid: &Valid, facts: &Facts, max_attempts: u32) -> Option<Verdict> {
    let percent = percent(run);
    match RunStage::of(run) {
        RunStage::Failed(_) if facts.retry => None,
        RunStage::Failed(failed) => Some(Verdict::failed(&failed.failure)),
        RunStage::Done(_) => Some(Verdict::ended(
            "RenditionMissing",
            "The run ended well and did not make this rendition. Set the annotation videocloud.dev/retry to try again.",
            FailureClass::Transient,
        )),
        RunStage::ToEncode(_) | RunStage::ToEncodeAgain(_) | RunStage::ToFinish if valid.suspended => {
            Some(suspended(percent))
        }
        RunStage::ToEncode(_) | RunStage::ToEncodeAgain(_) | RunStage::ToFinish => None,
        RunStage::Planning(work) => of_stage(TranscodePhase::Planning, work, run, max_attempts, percent),
        RunStage::Encoding(work) => of_stage(TranscodePhase::Encoding, work, run, max_attempts, percent),
        RunStage::Finishing(work) => of_stage(TranscodePhase::Finishing, work, run, max_attempts, percent),
    }
}

fn of_stage(
    phase: TranscodePhase,
    work: &WorkState,
    run: &RunView,
    max_attempts: u32,
    percent: i32,
) -> Option<Verdict> {
    let (reason, message) = match phase {
        TranscodePhase::Planning => (reasons::PLANNING, "Ticks and chunks are being found."),
        TranscodePhase::Encoding => (reasons::ENCODING, "Chunks are being encoded."),
        _ => (reasons::FINISHING, "Chunks are being joined, packaged and checked."),
    };
    match work {
        WorkState::Active { last_failure: Some(failure), .. } => {
            let text = format!("Trying again after: {}", failure.message);
            Some(Verdict { failure: Some(failure.class), ..Verdict::coming(phase, percent, reason, text) })
        }
        WorkState::Active { .. } => Some(Verdict::coming(phase, percent, reason, message)),
        WorkState::Suspended => Some(suspended(percent)),
        WorkState::Lost { reason } if run.attempt >= max_attempts => Some(Verdict::ended(
            "WorkerLost",
            &format!("The Job {} ended {} times and left no result ({reason}).", TaskId::plan(&run.run), run.attempt),
            FailureClass::Transient,
        )),
        _ => None,
    }
}

/// Percent of a whole run: the plan is little, chunks are most, the finish is the rest.
fn percent(run: &RunView) -> i32 {
    let of = |work: &WorkState| match work {
        WorkState::Active { progress: Some(Progress { done, total: Some(total), .. }), .. } => {
            coarse_percent(*done, *total)
        }
        _ => 0,
    };
    match (RunStage::of(run), run.counts) {
        // With one chunk the plan does all the work.
        (RunStage::Planning(work), _) => of(work).min(90),
        (RunStage::ToEncode(_), _) => 0,
        (RunStage::Encoding(_) | RunStage::ToEncodeAgain(_), Some((done, all))) => {
            coarse_percent(u64::from(done) * 9, u64::from(all) * 10)
        }
        (RunStage::Encoding(_) | RunStage::ToEncodeAgain(_), None) => 0,
        (RunStage::ToFinish | RunStage::Finishing(_), _) => 90,
        (RunStage::Done(_), _) => 100,
        (RunStage::Failed(_), _) => 0,
    }
}
