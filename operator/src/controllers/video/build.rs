//! What should exist for a video: its claim, its TranscodeJobs, its publication. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use videocloud_crds::{
    TranscodeJob, TranscodeJobSpec, VideoObject, conditions,
    transcode::{Chunking, TranscodePhase, TtlSecondsAfterFinished},
    types::LocalObjectRef,
};
use videocloud_protocol::{
    ids::ContentId,
    publication::{Original, Publication, PublishedRendition},
    tracker::{ClaimOwner, ClaimRequest},
};

use super::{
    content::{Found, How},
    dereference::Facts,
    names::transcode_name,
    validate::Valid,
    wish::Wish,
};
use crate::{config::JobFlags, index::Named, status};

/// What should exist, not yet made so.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The claim to make at the tracker.
    pub(super) claim: Option<(Wish, ClaimRequest)>,
    /// The content, while the status does not show it.
    pub(super) found: Option<ContentId>,
    /// TranscodeJobs to make.
    pub(super) create: Vec<TranscodeJob>,
    /// TranscodeJobs to delete: their renditions are not asked for any more.
    pub(super) delete: Vec<(Named, String)>,
    /// TranscodeJobs to try again, and the annotation that asks for it.
    pub(super) retry: Vec<(Named, Option<String>)>,
    /// What the edge should serve.
    pub(super) publication: Option<Publication>,
    /// Whether the edge should serve nothing any more of what it was told of.
    pub(super) withdraw: bool,
}

/// A rendition that is there, by the profile that asked for it.
pub(super) fn finished(job: &TranscodeJob) -> Option<PublishedRendition> {
    let shown = job.status.as_ref().filter(|shown| shown.phase == Some(TranscodePhase::Succeeded))?;
    Some(PublishedRendition {
        name: job.spec.profile_ref.as_ref()?.to_string(),
        key: shown.key.as_deref()?.parse().ok()?,
        run: None,
    })
}

/// Whether chunks of a rendition are made on other pods, so that the edge can play what there is of it.
pub(super) fn is_growing(job: &TranscodeJob) -> bool {
    let phase = job.status.as_ref().and_then(|shown| shown.phase);
    matches!(phase, Some(TranscodePhase::Encoding | TranscodePhase::Finishing))
}

/// A rendition that is being made, and by which run.
fn growing(job: &TranscodeJob) -> Option<PublishedRendition> {
    let shown = job.status.as_ref().filter(|_| is_growing(job))?;
    Some(PublishedRendition {
        name: job.spec.profile_ref.as_ref()?.to_string(),
        key: shown.key.as_deref()?.parse().ok()?,
        run: Some(shown.run.as_deref()?.strip_prefix("tc-")?.parse().ok()?),
    })
}

/// The TranscodeJob of this video for `profile`, if it is there.
pub(super) fn job_for<'a>(facts: &'a Facts, valid: &Valid, profile: &str) -> Option<&'a TranscodeJob> {
    facts.transcodes.iter().map(AsRef::as_ref).find(|job| serves(job, &valid.uid) && names(job, profile))
}

fn names(job: &TranscodeJob, profile: &str) -> bool {
    job.spec.profile_ref.as_ref().is_some_and(|name| name.as_str() == profile)
}

fn owners(job: &TranscodeJob) -> impl Iterator<Item = &OwnerReference> {
    let owners = job.metadata.owner_references.iter().flatten();
    owners.filter(|owner| owner.kind == VideoObject::kind(&()) && owner.api_version == VideoObject::api_version(&()))
}

/// Whether a TranscodeJob was made for this video's spec: it is then its controller.
fn is_owned(job: &TranscodeJob, uid: &str) -> bool {
    owners(job).any(|owner| owner.uid == uid && owner.controller == Some(true))
}

/// Whether a TranscodeJob is this video's, or was made by hand or ahead of requests for it; not that of an earlier video of the same name.
fn serves(job: &TranscodeJob, uid: &str) -> bool {
    owners(job).any(|owner| owner.uid == uid) || owners(job).next().is_none()
}

/// Decides what should exist.
pub(super) fn build(video: &VideoObject, valid: &Valid, facts: &Facts, jobs: &JobFlags) -> Prepared {
    let found = Found::of(facts);
    Prepared {
        claim: claim(valid, facts, found.as_ref()),
        found: found.as_ref().filter(|found| found.how != How::Shown).map(|found| found.id),
        create: found.as_ref().map_or_else(Vec::new, |_| to_create(video, valid, facts, jobs)),
        delete: to_delete(valid, facts),
        retry: to_retry(video, valid, facts),
        publication: match &found {
            Some(found) => Some(publication(valid, facts, found)),
            None => arriving(valid, facts),
        },
        withdraw: found.is_none() && is_unasked(valid, facts),
    }
}

/// Whether bytes that are still coming are served and that is not wanted any more.
fn is_unasked(valid: &Valid, facts: &Facts) -> bool {
    facts.was_arriving() && valid.wish.as_ref().is_ok_and(|wish| !wish.while_downloading)
}

fn claim(valid: &Valid, facts: &Facts, found: Option<&Found>) -> Option<(Wish, ClaimRequest)> {
    let wish = valid.wish.as_ref().ok()?;
    if facts.answer.is_some() || found.is_some() {
        return None;
    }
    let owner = ClaimOwner {
        uid: valid.uid.clone(),
        namespace: valid.name.namespace.to_string(),
        name: valid.name.name.to_string(),
    };
    Some((wish.clone(), ClaimRequest { owner, wanted: wish.wanted.clone() }))
}

fn to_create(video: &VideoObject, valid: &Valid, facts: &Facts, jobs: &JobFlags) -> Vec<TranscodeJob> {
    let missing = valid.profiles.iter().filter(|profile| job_for(facts, valid, profile).is_none());
    let job = |profile: &String| {
        let exists = |name: &str| facts.transcodes.iter().find(|job| job.metadata.name.as_deref() == Some(name));
        let taken = |name: &str| exists(name).is_some_and(|job| !names(job, profile));
        let name = transcode_name(&valid.name.name, profile, taken);
        // That of an earlier video of this name is on its way out; its going wakes this video.
        exists(&name).is_none().then(|| transcode_job(video, valid, profile, name, jobs))
    };
    missing.filter_map(job).collect()
}

fn transcode_job(video: &VideoObject, valid: &Valid, profile: &str, name: String, jobs: &JobFlags) -> TranscodeJob {
    let owner = OwnerReference {
        controller: Some(true),
        // A video is never kept from going by its renditions.
        block_owner_deletion: Some(false),
        ..video.controller_owner_ref(&()).unwrap_or_default()
    };
    let spec = TranscodeJobSpec {
        video_ref: LocalObjectRef { name: valid.name.name.to_string().into() },
        profile_ref: Some(profile.into()),
        settings: None,
        chunking: Chunking::default(),
        parallelism: jobs.chunk_parallelism,
        queue_name: None,
        priority_class_name: None,
        priority: valid.priority,
        backoff_limit: 3,
        active_deadline_seconds: jobs.transcode_deadline,
        ttl_seconds_after_finished: TtlSecondsAfterFinished::default(),
        // Admission looks at the video's `suspend` too.
        suspend: false,
    };
    TranscodeJob {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(valid.name.namespace.to_string()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

fn to_delete(valid: &Valid, facts: &Facts) -> Vec<(Named, String)> {
    let unwanted = facts.transcodes.iter().filter(|job| {
        is_owned(job, &valid.uid)
            && job.metadata.deletion_timestamp.is_none()
            && !valid.profiles.iter().any(|profile| names(job, profile))
    });
    unwanted.map(|job| (Named::of(&**job), job.metadata.uid.clone().unwrap_or_default())).collect()
}

/// Failed TranscodeJobs whose retry annotation is not that of their video.
fn to_retry(video: &VideoObject, valid: &Valid, facts: &Facts) -> Vec<(Named, Option<String>)> {
    let asked = status::retry(video);
    let failed = facts.transcodes.iter().filter(|job| {
        let shown = job.status.as_ref().map(|shown| shown.conditions.as_slice()).unwrap_or_default();
        is_owned(job, &valid.uid)
            && status::is_true(shown, conditions::types::STALLED)
            && status::retry(&***job) != asked
    });
    failed.map(|job| (Named::of(&**job), asked.map(str::to_owned))).collect()
}

fn publication(valid: &Valid, facts: &Facts, found: &Found) -> Publication {
    let jobs = valid.profiles.iter().filter_map(|profile| job_for(facts, valid, profile));
    let renditions = jobs.filter_map(|job| finished(job).or_else(|| growing(job)));
    let (original, renditions) = (Original::Content(found.id), renditions.collect());
    Publication { uid: valid.uid.clone(), original, access: valid.access, renditions }
}

/// What is served of a video whose bytes are still coming, once its worker shows some.
fn arriving(valid: &Valid, facts: &Facts) -> Option<Publication> {
    let wish = valid.wish.as_ref().ok().filter(|wish| wish.while_downloading && facts.is_arriving())?;
    let original = Original::Arriving(wish.key);
    Some(Publication { uid: valid.uid.clone(), original, access: valid.access, renditions: Vec::new() })
}
