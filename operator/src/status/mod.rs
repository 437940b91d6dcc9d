//! Conditions and what a status says: pure reading, comparing and merging, shared by the controllers.
//!
//! A status is written only when it differs from the one shown, times aside; `lastTransitionTime` moves on real flips only.

mod conditions;

use kube::Resource;
use videocloud_crds::{TranscodeJob, VideoObject};
use videocloud_protocol::ids::ContentId;

pub use conditions::{Condition, find, is_true, merge, same};

/// Annotation whose change asks for another try after a terminal failure; its value means nothing.
pub const RETRY_ANNOTATION: &str = "videocloud.dev/retry";

/// Annotation of a TranscodeJob that takes `status.recommended` in place of what it asks for: the recommended key, or `true`.
pub const ACCEPT_ANNOTATION: &str = "videocloud.dev/accept-recommended";

/// Annotation of a TranscodeJob that was made ahead of requests.
pub const PREDICTED_ANNOTATION: &str = "videocloud.dev/predicted";

/// Whether `object` was made ahead of requests.
#[must_use]
pub fn is_predicted<K: Resource>(object: &K) -> bool {
    object.meta().annotations.as_ref().is_some_and(|all| all.contains_key(PREDICTED_ANNOTATION))
}

/// The recommendation that `object` accepts.
#[must_use]
pub fn accepted<K: Resource>(object: &K) -> Option<&str> {
    object.meta().annotations.as_ref()?.get(ACCEPT_ANNOTATION).map(String::as_str)
}

/// The retry annotation of `object`.
#[must_use]
pub fn retry<K: Resource>(object: &K) -> Option<&str> {
    object.meta().annotations.as_ref()?.get(RETRY_ANNOTATION).map(String::as_str)
}

/// Whether a video's status is about its present spec and retry annotation.
#[must_use]
pub fn is_current(video: &VideoObject) -> bool {
    video.status.as_ref().is_some_and(|shown| {
        shown.observed_generation == video.metadata.generation && shown.observed_retry.as_deref() == retry(video)
    })
}

/// Whether a TranscodeJob's status is about its present spec and retry annotation.
#[must_use]
pub fn is_current_job(job: &TranscodeJob) -> bool {
    job.status.as_ref().is_some_and(|shown| {
        shown.observed_generation == job.metadata.generation && shown.observed_retry.as_deref() == retry(job)
    })
}

/// The content a video's status shows.
#[must_use]
pub fn content_id(video: &VideoObject) -> Option<ContentId> {
    video.status.as_ref()?.content.as_ref()?.id.parse().ok()
}

/// Percent in steps of 10, so that progress seldom writes; 100 only when all is done.
#[must_use]
pub fn coarse_percent(done: u64, total: u64) -> i32 {
    let percent = if total == 0 { 0 } else { u128::from(done.min(total)) * 100 / u128::from(total) };
    i32::try_from(percent / 10 * 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_coarse_and_never_over() {
        for (done, total, expected) in
            [(0, 0, 0), (99, 1000, 0), (1, 10, 10), (999, 1000, 90), (5, 4, 100), (u64::MAX, u64::MAX, 100)]
        {
            assert_eq!(coarse_percent(done, total), expected, "{done}/{total}");
        }
    }
}
