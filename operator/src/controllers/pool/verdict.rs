//! What a pool's conditions say. Pure.

use videocloud_crds::conditions::{delivery as reasons, shared, types};

use super::{solve::Solved, timing::Why};
use crate::status::Condition;

/// Needs above this part of what there is do not fit.
const FULL: f64 = 1.001;

/// The conditions after a solution.
pub(super) fn solved(solved: &Solved, active: usize) -> Vec<Condition> {
    if active == 0 {
        let text = "None of its UploadClusters has an uploader that reports.";
        return vec![
            Condition::new(types::READY, Some(false), reasons::NO_ACTIVE_CLUSTER, text),
            Condition::new(types::SOLVED, Some(true), reasons::NO_ACTIVE_CLUSTER, text),
        ];
    }
    let text = "A table solved from the last interval is in force.";
    let short = solved.needed > FULL * solved.available;
    let (reason, needs) = if short {
        (
            reasons::NEEDS_EXCEED_CAPACITY,
            "Viewers need more than the pool has; what there is makes the sum of waiting least.",
        )
    } else {
        (reasons::FITS, "Every viewer can be kept at his target rate.")
    };
    vec![
        Condition::new(types::READY, Some(true), reasons::TABLE_IN_FORCE, text),
        Condition::new(types::SOLVED, Some(true), reasons::TABLE_IN_FORCE, text),
        Condition::new(types::CAPACITY_SHORT, Some(short), reason, needs),
    ]
}

/// The conditions while an interval is skipped; `in_force` says whether the last table still holds.
pub(super) fn skipped(why: Why, in_force: bool, trouble: Option<&str>) -> Vec<Condition> {
    let (reason, text) = match why {
        Why::Suspended => (shared::SUSPENDED, "spec.suspend is set: no table is made.".to_owned()),
        Why::Waiting => (
            reasons::WAITING_FOR_SAMPLES,
            "The tracker has finished no interval yet; uploaders share evenly meanwhile.".to_owned(),
        ),
        Why::Missing => (
            reasons::SAMPLES_MISSING,
            "The tracker has no samples of the whole last interval: it is skipped, and the last table holds on until it runs \
             out."
                .to_owned(),
        ),
        Why::Unreachable => {
            let why = trouble.unwrap_or("no answer");
            (shared::TRACKER_UNREACHABLE, format!("The interval is skipped: {why:.400}"))
        }
    };
    vec![
        Condition::new(types::READY, Some(in_force), if in_force { reasons::TABLE_IN_FORCE } else { reason }, &*text),
        Condition::new(types::SOLVED, Some(false), reason, text),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(conditions: &'a [Condition], kind: &str) -> (Option<bool>, &'a str) {
        let found = conditions.iter().find(|one| one.kind == kind);
        found.map_or((None, ""), |one| (one.status, one.reason.as_str()))
    }

    #[test]
    fn needs_that_do_not_fit_are_said_and_ready_outlives_a_skipped_interval() {
        let of = |needed: f64| solved(&Solved { needed, available: 100.0, ..Solved::default() }, 1);
        assert_eq!(find(&of(100.0), types::CAPACITY_SHORT), (Some(false), "Fits"));
        assert_eq!(find(&of(150.0), types::CAPACITY_SHORT), (Some(true), "NeedsExceedCapacity"));
        assert_eq!(find(&solved(&Solved::default(), 0), types::READY), (Some(false), "NoActiveCluster"));
        for (in_force, ready) in [(true, (Some(true), "TableInForce")), (false, (Some(false), "SamplesMissing"))] {
            let conditions = skipped(Why::Missing, in_force, None);
            assert_eq!(find(&conditions, types::READY), ready);
            assert_eq!(find(&conditions, types::SOLVED), (Some(false), "SamplesMissing"));
        }
    }
}
