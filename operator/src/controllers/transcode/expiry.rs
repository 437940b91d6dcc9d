//! When a finished TranscodeJob has been kept long enough. Its output stays. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use videocloud_crds::{TranscodeJob, conditions::types};

use crate::status;

/// How much longer a TranscodeJob is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// For good, or as long as it is not finished.
    Never,
    /// So much longer.
    In(Duration),
    /// No longer.
    Over,
}

impl Expiry {
    /// The time that is left, when it runs.
    pub(super) const fn left(self) -> Option<Duration> {
        match self {
            Self::In(left) => Some(left),
            Self::Never | Self::Over => None,
        }
    }
}

/// Reads `spec.ttlSecondsAfterFinished` against the time of the condition that says how the job ended.
pub(super) fn expiry(job: &TranscodeJob, now: Timestamp) -> Expiry {
    let ttl = &job.spec.ttl_seconds_after_finished;
    let conditions = job.status.as_ref().map(|shown| shown.conditions.as_slice()).unwrap_or_default();
    let ended = [(types::READY, ttl.succeeded), (types::STALLED, ttl.failed)].into_iter().find_map(|(kind, ttl)| {
        let condition = status::find(conditions, kind).filter(|condition| condition.status == "True")?;
        Some((condition.last_transition_time.0, ttl))
    });
    let Some((since, Some(ttl))) = ended else { return Expiry::Never };
    // Clocks of two machines may differ: what is to come counts as now.
    let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let ttl = Duration::from_secs(u64::try_from(ttl).unwrap_or(0));
    match ttl.checked_sub(passed) {
        Some(left) if !left.is_zero() => Expiry::In(left),
        _ => Expiry::Over,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(kind: &str, status: &str) -> TranscodeJob {
        serde_json::from_value(json!({
            "metadata": { "name": "a" },
            "spec": {
                "videoRef": { "name": "v" }, "profileRef": "p",
                "ttlSecondsAfterFinished": { "succeeded": 10, "failed": 100 },
            },
            "status": { "conditions": [{
                "type": kind, "status": status, "reason": "Word", "message": "",
                "lastTransitionTime": "1970-01-01T00:01:00Z",
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn each_outcome_has_its_own_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(expiry(&job("Ready", "True"), at(65)), Expiry::In(Duration::from_secs(5)));
        assert_eq!(expiry(&job("Ready", "True"), at(70)), Expiry::Over);
        assert_eq!(expiry(&job("Stalled", "True"), at(70)), Expiry::In(Duration::from_secs(90)));
        assert_eq!(expiry(&job("Ready", "False"), at(900)), Expiry::Never);
        assert_eq!(expiry(&job("Ready", "True"), at(0)), Expiry::In(Duration::from_secs(10)));
    }
}
