//! Where a video is on its way: an ordered list of small decisions over what is known. Pure; times and lists come later.

use videocloud_crds::{
    TranscodeJob,
    conditions::{shared, types, video as reasons},
    transcode::{FailureClass, TranscodePhase},
    videoobject::VideoPhase,
};
use videocloud_protocol::{
    failure::{Failure, FailureClass as Class},
    task::Progress,
};

use super::{
    build::job_for,
    content::{Found, How},
    dereference::Facts,
    validate::Valid,
};
use crate::{
    status::{self, Condition, coarse_percent},
    work::WorkState,
};

/// What is said of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) phase: VideoPhase,
    pub(super) percent: Option<i32>,
    pub(super) ready: Condition,
    pub(super) downloaded: Condition,
    pub(super) renditions: Condition,
    pub(super) delivered: Condition,
    pub(super) stalled: Condition,
}

impl Verdict {
    /// Conditions in the order they are shown.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let Self { phase: _, percent: _, ready, downloaded, renditions, delivered, stalled } = self;
        [ready, downloaded, renditions, delivered, stalled].map(Clone::clone).to_vec()
    }
}

/// Decides. `None` means that nothing can be said yet that would hold for longer than a moment.
pub(super) fn decide(valid: &Valid, facts: &Facts, published: bool) -> Option<Verdict> {
    match Found::of(facts) {
        Some(found) => Some(with_content(valid, facts, &found, published)),
        None => without_content(valid, facts).map(|verdict| if published { arriving(verdict) } else { verdict }),
    }
}

/// A verdict on a video without content.
fn coming(phase: VideoPhase, percent: Option<i32>, reason: &str, message: impl Into<String>) -> Verdict {
    let message: String = message.into();
    Verdict {
        phase,
        percent,
        ready: Condition::new(types::READY, Some(false), reason, message.clone()),
        downloaded: Condition::new(types::DOWNLOADED, Some(false), reason, message),
        renditions: Condition::new(types::RENDITIONS_READY, Some(false), reason, "The original is not there yet."),
        delivered: Condition::new(types::DELIVERED, Some(false), reason, "There is nothing to deliver yet."),
        stalled: healthy(),
    }
}

/// What is there of the bytes that are still coming is served.
fn arriving(verdict: Verdict) -> Verdict {
    let message = "What there is of the file is served while the rest is fetched.";
    Verdict { delivered: Condition::new(types::DELIVERED, Some(true), reasons::ARRIVING, message), ..verdict }
}

fn healthy() -> Condition {
    Condition::new(types::STALLED, Some(false), shared::HEALTHY, "")
}

fn failed(reason: &str, message: &str) -> Verdict {
    let stalled = Condition::new(types::STALLED, Some(true), reason, message);
    Verdict { stalled, ..coming(VideoPhase::Failed, None, reason, message) }
}

fn without_content(valid: &Valid, facts: &Facts) -> Option<Verdict> {
    if let Err(invalid) = &valid.wish {
        return Some(failed(invalid.reason, &invalid.message));
    }
    if valid.suspended {
        // A failure stays until another try is possible.
        return (!facts.retry).then(|| {
            coming(VideoPhase::Suspended, None, shared::SUSPENDED, "Stopped by spec.suspend; set it to false to go on.")
        });
    }
    match &facts.download {
        // The failure of an earlier order: its Job is being made again.
        WorkState::Failed(_) if facts.retry => None,
        WorkState::Failed(failed_work) => Some(from_failure(&failed_work.failure)),
        WorkState::Lost { reason } if facts.attempt >= facts.max_attempts => Some(failed(
            reasons_lost(reason),
            &format!(
                "The download Job ended {} times and left no result ({reason}). See its pods in the system namespace; set the \
                 annotation videocloud.dev/retry to try again.",
                facts.attempt
            ),
        )),
        WorkState::Active { progress, last_failure, quiet_since: _ } => {
            let percent = progress.as_ref().and_then(|now| Some(coarse_percent(now.done, now.total?)));
            let reason = match last_failure {
                // What someone has to make room for, while the tries go on.
                Some(Failure { class: Class::StoreFull | Class::Resources, reason, .. }) => reason.as_str(),
                _ if facts.unanswered => reasons::NO_SOURCE_ANSWERS,
                _ if facts.joined => reasons::JOINED,
                _ => reasons::DOWNLOADING,
            };
            let message = match (last_failure, facts.joined) {
                (Some(Failure { class: Class::StoreFull | Class::Resources, message, .. }), _) => {
                    format!("Trying again after: {message}")
                }
                _ if facts.unanswered => unanswered(progress.as_ref()),
                (Some(Failure { message, .. }), _) => format!("Trying again after: {message}"),
                (None, true) => "Another VideoObject's download of the same content is under way.".into(),
                (None, false) => "The content is being fetched.".into(),
            };
            Some(coming(VideoPhase::Downloading, percent.filter(|percent| *percent > 0), reason, message))
        }
        WorkState::Suspended => Some(coming(
            VideoPhase::Pending,
            None,
            reasons::WAITING_FOR_ADMISSION,
            "The download Job is held back until there is a place for it.",
        )),
        WorkState::Absent if facts.refused.is_some() => Some(coming(
            VideoPhase::Pending,
            None,
            reasons::CREDENTIALS_UNAVAILABLE,
            facts.refused.clone().unwrap_or_default(),
        )),
        WorkState::Absent if facts.waiting => Some(coming(
            VideoPhase::Pending,
            None,
            reasons::WAITING_FOR_ADMISSION,
            "As many downloads run as may; this one is started when one of them ends. spec.priority orders the line.",
        )),
        _ => None,
    }
}

/// Most sources that are named in a message.
const NAMED: usize = 8;

/// What was tried, for the owner of a video that gets no bytes.
fn unanswered(progress: Option<&Progress>) -> String {
    let sources = progress.map(|progress| progress.sources.as_slice()).unwrap_or_default();
    let named = sources
        .iter()
        .take(NAMED)
        .map(|source| format!("{} ({})", source.name, source.reason.as_deref().unwrap_or("no answer yet")));
    let named: Vec<String> = named.collect();
    let more = sources.len().checked_sub(NAMED).filter(|more| *more > 0);
    let more = more.map_or_else(String::new, |more| format!(" and {more} more"));
    format!(
        "No source gives bytes: {}{more}. They are asked until the progress deadline; correct a link or add a source.",
        named.join(", ")
    )
}

const fn reasons_lost(_: &str) -> &'static str {
    "WorkerLost"
}

fn from_failure(failure: &Failure) -> Verdict {
    failed(&failure.reason, &failure.message)
}

/// How the renditions stand, all together.
struct Tally<'a> {
    asked: usize,
    ready: usize,
    failed: Option<&'a TranscodeJob>,
    percent: i32,
}

fn tally<'a>(valid: &Valid, facts: &'a Facts) -> Tally<'a> {
    let mut tally = Tally { asked: valid.profiles.len(), ready: 0, failed: None, percent: 0 };
    let mut sum = 0;
    for job in valid.profiles.iter().filter_map(|profile| job_for(facts, valid, profile)) {
        let Some(shown) = &job.status else { continue };
        match shown.phase {
            Some(TranscodePhase::Succeeded) => {
                tally.ready += 1;
                sum += 100;
            }
            Some(TranscodePhase::Failed) => tally.failed = tally.failed.or(Some(job)),
            _ => sum += u64::try_from(shown.progress_percent.unwrap_or(0)).unwrap_or(0),
        }
    }
    tally.percent = coarse_percent(sum, 100 * u64::try_from(tally.asked).unwrap_or(u64::MAX));
    tally
}

fn with_content(valid: &Valid, facts: &Facts, found: &Found, published: bool) -> Verdict {
    let tally = tally(valid, facts);
    let was_ready = status::is_true(&facts.shown.conditions, types::READY);
    let playable = published && (was_ready || tally.asked == 0 || tally.ready > 0);
    let settled = tally.ready == tally.asked;
    let reason = failure_of(tally.failed);
    let ready = if playable {
        Condition::new(types::READY, Some(true), reasons::PLAYABLE, "The video can be played.")
    } else if let Some((word, message)) = &reason {
        Condition::new(types::READY, Some(false), word, message.clone())
    } else if valid.suspended && !settled {
        Condition::new(
            types::READY,
            Some(false),
            shared::SUSPENDED,
            "Stopped by spec.suspend; set it to false to go on.",
        )
    } else {
        Condition::new(types::READY, Some(false), reasons::TRANSCODING, "The first rendition is being made.")
    };
    let renditions = if settled {
        Condition::new(
            types::RENDITIONS_READY,
            Some(true),
            reasons::ALL_READY,
            format!("{} of {}.", tally.ready, tally.asked),
        )
    } else if let Some((word, message)) = &reason {
        Condition::new(types::RENDITIONS_READY, Some(false), word, message.clone())
    } else {
        let message = format!("{} of {} are there.", tally.ready, tally.asked);
        Condition::new(types::RENDITIONS_READY, Some(false), reasons::TRANSCODING, message)
    };
    let stalled = match &reason {
        Some((word, message)) => Condition::new(types::STALLED, Some(true), word, message.clone()),
        None => healthy(),
    };
    let (phase, percent) = match (settled, &reason, valid.suspended) {
        (true, _, _) if playable => (VideoPhase::Ready, Some(100)),
        (false, Some(_), _) if !playable => (VideoPhase::Failed, None),
        (false, _, true) => (VideoPhase::Suspended, None),
        _ => (VideoPhase::Transcoding, Some(tally.percent).filter(|percent| *percent > 0)),
    };
    Verdict {
        phase,
        percent,
        ready,
        downloaded: downloaded(facts, found),
        renditions,
        delivered: delivered(published),
        stalled,
    }
}

fn downloaded(facts: &Facts, found: &Found) -> Condition {
    let (reason, message) = match found.how {
        How::Fetched => (reasons::DOWNLOADED, format!("{} bytes are in the store.", found.content.size)),
        How::Known => (reasons::KNOWN_CONTENT, "The content was there already: nothing was fetched.".to_owned()),
        How::Shown => match status::find(&facts.shown.conditions, types::DOWNLOADED).filter(|old| old.status == "True")
        {
            Some(old) => (old.reason.as_str(), old.message.clone()),
            None => (reasons::DOWNLOADED, format!("{} bytes are in the store.", found.content.size)),
        },
    };
    Condition::new(types::DOWNLOADED, Some(true), reason, message)
}

fn delivered(published: bool) -> Condition {
    if published {
        Condition::new(types::DELIVERED, Some(true), reasons::SERVED, "Published to the edge.")
    } else {
        Condition::new(types::DELIVERED, Some(false), reasons::NO_UPLOADER, "Not published yet.")
    }
}

/// The word and text of a failed rendition.
fn failure_of(job: Option<&TranscodeJob>) -> Option<(String, String)> {
    let job = job?;
    let shown = job.status.as_ref()?;
    let why = status::find(&shown.conditions, types::STALLED)?;
    let class = shown.failure_class.unwrap_or(FailureClass::Transient);
    let profile = job.spec.profile_ref.as_ref().map_or("", |name| name.as_str());
    Some((
        reasons::RENDITION_FAILED.to_owned(),
        format!("Rendition {profile}: {} ({}, {class:?})", why.message, why.reason),
    ))
}
