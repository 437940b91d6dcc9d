//! A video's state in one line, and the questions tests and the demo ask of it.

use kube::ResourceExt;
use videocloud_crds::VideoObject;

/// Whether a condition of this type has this status (`True`, `False`, `Unknown`).
#[must_use]
pub fn condition_is(video: &VideoObject, type_: &str, status: &str) -> bool {
    video.status.iter().flat_map(|s| &s.conditions).any(|c| c.type_ == type_ && c.status == status)
}

/// The reason and message of a condition; empty when it is not there.
#[must_use]
pub fn condition(video: &VideoObject, type_: &str) -> (String, String) {
    video
        .status
        .iter()
        .flat_map(|s| &s.conditions)
        .find(|c| c.type_ == type_)
        .map(|c| (c.reason.clone(), c.message.clone()))
        .unwrap_or_default()
}

/// Ready for the spec it has now.
#[must_use]
pub fn is_ready(video: &VideoObject) -> bool {
    let observed = video.status.as_ref().and_then(|s| s.observed_generation);
    observed == video.metadata.generation && condition_is(video, "Ready", "True")
}

/// Every rendition asked for is there too.
#[must_use]
pub fn is_complete(video: &VideoObject) -> bool {
    is_ready(video) && (video.spec.renditions.is_empty() || condition_is(video, "RenditionsReady", "True"))
}

/// Ended without success.
#[must_use]
pub fn is_stalled(video: &VideoObject) -> bool {
    condition_is(video, "Stalled", "True")
}

/// Phase, percent and every condition, in one line.
#[must_use]
pub fn summary(video: &VideoObject) -> String {
    let Some(status) = &video.status else { return format!("{}: no status yet", video.name_any()) };
    let conditions: Vec<_> =
        status.conditions.iter().map(|c| format!("{}={} ({}: {})", c.type_, c.status, c.reason, c.message)).collect();
    format!(
        "{}: {} {}% {}",
        video.name_any(),
        status.phase.map_or("no phase", |phase| phase.as_str()),
        status.progress_percent.unwrap_or(0),
        conditions.join(", ")
    )
}
