//! Which downloads run.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use videocloud_protocol::ids::{ClaimKey, TaskId, TaskKind};

use super::{Decision, Places, Rules, Step};
use crate::{
    index::{Named, State, VideoRow},
    work::WorkState,
};

/// Decides about every download somebody waits for or some Job exists of.
#[must_use]
pub fn downloads(state: &State, rules: &Rules) -> Decision {
    let mut places = Places::new(rules.downloads);
    let mut decision = Decision::default();
    let mut wanting = BTreeMap::new();
    let open = state.videos.open_keys();
    let existing = state.jobs.iter().filter_map(|(_, row)| match row.kind {
        TaskKind::Download(key) => Some(key),
        _ => None,
    });
    let keys: BTreeSet<ClaimKey> = open.iter().copied().chain(existing).collect();
    for key in keys {
        let task = TaskId::download(&key);
        let work = state.work(&task);
        let job = state.jobs.get(task.as_str());
        if let Some(job) = job.filter(|_| work.takes_a_place()) {
            places.hold(&job.namespace);
        }
        let first = first_owner(state, &key);
        if let Some(step) = inputs(state, &key, &work) {
            decision.steps.push(step);
        }
        let step = match &work {
            WorkState::Succeeded(_) | WorkState::Unsettled | WorkState::Deleting => None,
            WorkState::Failed(_) => asks_again(state, &key).then_some(None),
            WorkState::Lost { .. } => {
                let attempt = job.map_or(1, |job| job.attempt);
                (first.is_some() && attempt < rules.max_attempts).then_some(Some(attempt))
            }
            WorkState::Active { .. } => {
                if first.is_none() && state.videos.is_owned(&key) && all_suspended(state, &key) && !rules.queued {
                    decision.steps.push(Step::Suspend(task.clone()));
                }
                None
            }
            WorkState::Suspended | WorkState::Absent => {
                let resumes = matches!(work, WorkState::Suspended);
                let may = open.contains(&key) && !(resumes && rules.queued) && !state.refused.contains_key(&key);
                if let Some((name, row)) = first.filter(|_| may) {
                    let rank = (Reverse(row.priority), row.created, key);
                    wanting.insert(rank, (task.clone(), name.clone(), resumes));
                }
                None
            }
        };
        if let Some(lost) = step {
            decision.steps.push(Step::Reset { task, job: job.map(|job| job.uid.clone()), lost });
        }
    }
    for ((_, _, key), (task, owner, resumes)) in wanting {
        if !(rules.queued || places.take(&owner.namespace)) {
            decision.waiting.downloads.insert(key);
        } else if resumes {
            decision.steps.push(Step::Resume(task));
        } else {
            let attempt = state.next_attempt(&task);
            decision.steps.push(Step::Download { key, owner, attempt });
        }
    }
    decision
}

/// The Secret of a Job that runs or waits, when this leader has not made it: the one that made the Job may have gone before.
fn inputs(state: &State, key: &ClaimKey, work: &WorkState) -> Option<Step> {
    let job = state.jobs.get(TaskId::download(key).as_str()).filter(|job| job.inputs)?;
    let needs = matches!(work, WorkState::Active { .. } | WorkState::Suspended);
    if !needs || state.given.contains(key) || state.refused.contains_key(key) {
        return None;
    }
    let (owner, _) = state.videos.owners(key).next()?;
    Some(Step::Inputs { key: *key, owner: owner.clone(), job: job.uid.clone() })
}

/// The owner that is first in line: it waits, is not suspended, and the tracker knows that it wants `key`.
fn first_owner<'a>(state: &'a State, key: &ClaimKey) -> Option<(&'a Named, &'a VideoRow)> {
    state
        .videos
        .owners(key)
        .filter(|(_, row)| (row.is_open() || row.retry) && !row.suspended)
        .filter(|(_, row)| state.ledger.claim(&row.uid, key).is_some_and(|answer| answer.content.is_none()))
        .min_by_key(|(name, row)| (Reverse(row.priority), row.created, *name))
}

fn asks_again(state: &State, key: &ClaimKey) -> bool {
    state.videos.owners(key).any(|(_, row)| row.retry && !row.suspended)
}

fn all_suspended(state: &State, key: &ClaimKey) -> bool {
    state.videos.owners(key).all(|(_, row)| row.suspended || row.content.is_some())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::tracker::ClaimAnswer;

    use super::*;
    use crate::{
        config::Limits,
        index::{JobRow, JobState, Refusal},
    };

    const RULES: Rules = Rules {
        downloads: Limits { total: 2, per_namespace: 1 },
        runs: Limits { total: 1, per_namespace: 1 },
        max_attempts: 3,
        queued: false,
    };

    fn key(n: u8) -> ClaimKey {
        ClaimKey::from_bytes([n; 16])
    }

    fn row(n: u8) -> VideoRow {
        VideoRow {
            uid: format!("uid-{n}").into(),
            key: Some(key(n)),
            priority: 0,
            created: i64::from(n),
            suspended: false,
            content: None,
            stalled: false,
            retry: false,
            renditions: 0,
            ask: None,
            playback: 0,
        }
    }

    fn put(state: &mut State, namespace: &str, row: VideoRow) {
        let (uid, key) = (row.uid.clone(), row.key);
        state.videos.put(&Named::new(namespace, &uid), row);
        let answer = ClaimAnswer { content: None, known: Vec::new(), links: Vec::new() };
        if let Some(key) = key {
            state.ledger.claimed(&uid, key, answer);
        }
    }

    fn job(state: &mut State, n: u8, namespace: &str, job: JobState, attempt: u32) {
        let row = JobRow {
            uid: format!("job-{n}"),
            kind: TaskKind::Download(key(n)),
            renditions: Vec::new(),
            namespace: namespace.into(),
            state: job,
            completions: 1,
            succeeded: 0,
            attempt,
            failed_indexes: Vec::new(),
            inputs: false,
        };
        state.jobs.put(TaskId::download(&key(n)).as_str(), row);
    }

    fn made(decision: &Decision) -> Vec<u8> {
        let made = decision.steps.iter().filter_map(|step| match step {
            Step::Download { key, .. } => Some(key.as_bytes()[0]),
            _ => None,
        });
        made.collect()
    }

    #[test]
    fn priority_then_age_under_both_limits() {
        let mut state = State::default();
        put(&mut state, "a", row(1));
        put(&mut state, "a", VideoRow { priority: 5, ..row(2) });
        put(&mut state, "b", row(3));
        put(&mut state, "c", row(4));
        let decision = downloads(&state, &RULES);
        assert_eq!(made(&decision), [2, 3]);
        assert_eq!(decision.waiting.downloads, [key(1), key(4)].into());
    }

    #[test]
    fn a_running_job_holds_its_place_and_is_not_made_twice() {
        let mut state = State::default();
        put(&mut state, "a", row(1));
        put(&mut state, "a", row(2));
        job(&mut state, 1, "a", JobState::Active, 1);
        let decision = downloads(&state, &RULES);
        assert_eq!(decision.steps, []);
        assert_eq!(decision.waiting.downloads, [key(2)].into());
    }

    #[test]
    fn nothing_is_made_before_the_tracker_knows_the_claim() {
        let mut state = State::default();
        state.videos.put(&Named::new("a", "x"), row(1));
        assert_eq!(downloads(&state, &RULES), Decision::default());
    }

    #[test]
    fn two_objects_of_one_claim_make_one_job_and_suspend_only_together() {
        let mut state = State::default();
        put(&mut state, "a", row(1));
        put(&mut state, "b", VideoRow { uid: "other".into(), suspended: true, ..row(1) });
        assert_eq!(made(&downloads(&state, &RULES)), [1]);
        job(&mut state, 1, "a", JobState::Active, 1);
        assert_eq!(downloads(&state, &RULES).steps, []);
        put(&mut state, "a", VideoRow { suspended: true, ..row(1) });
        assert_eq!(downloads(&state, &RULES).steps, [Step::Suspend(TaskId::download(&key(1)))]);
        job(&mut state, 1, "a", JobState::Suspended, 1);
        assert_eq!(downloads(&state, &RULES).steps, []);
        put(&mut state, "a", row(1));
        assert_eq!(downloads(&state, &RULES).steps, [Step::Resume(TaskId::download(&key(1)))]);
    }

    #[test]
    fn lost_work_is_made_again_so_many_times() {
        let mut state = State::default();
        put(&mut state, "a", row(1));
        for (attempt, again) in [(1, true), (2, true), (3, false)] {
            job(&mut state, 1, "a", JobState::Complete, attempt);
            let steps = downloads(&state, &RULES).steps;
            assert_eq!(!steps.is_empty(), again, "attempt {attempt}: {steps:?}");
        }
    }

    #[test]
    fn a_refused_download_waits_and_a_job_without_its_secret_is_given_one() {
        let mut state = State::default();
        put(&mut state, "a", row(1));
        let until = std::time::Instant::now();
        state.refused.insert(key(1), Refusal { message: "no Secret".into(), until });
        assert_eq!(downloads(&state, &RULES), Decision::default());
        state.refused.clear();
        job(&mut state, 1, "a", JobState::Active, 1);
        assert_eq!(downloads(&state, &RULES).steps, []);
        let task = TaskId::download(&key(1));
        let needing = JobRow { inputs: true, ..state.jobs.get(task.as_str()).cloned().unwrap() };
        state.jobs.put(task.as_str(), needing);
        let owner = Named::new("a", "uid-1");
        let given = Step::Inputs { key: key(1), owner, job: "job-1".into() };
        assert_eq!(downloads(&state, &RULES).steps, [given]);
        state.given.insert(key(1));
        assert_eq!(downloads(&state, &RULES).steps, []);
    }

    #[test]
    fn kueue_admits_in_place_of_limits() {
        let mut state = State::default();
        for n in 1..=5 {
            put(&mut state, "a", row(n));
        }
        let rules = Rules { queued: true, ..RULES };
        assert_eq!(made(&downloads(&state, &rules)).len(), 5);
        job(&mut state, 1, "a", JobState::Suspended, 1);
        assert_eq!(made(&downloads(&state, &rules)), [2, 3, 4, 5], "a held Job is Kueue's to let go");
    }
}
