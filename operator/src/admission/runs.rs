//! Which transcode runs exist and which stage each is in. All renditions wanted of one content at one time become one run, so
//! that the source is read and decoded once.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use videocloud_protocol::{
    ids::{ContentId, RenditionKey, TaskId},
    task::{Outcome, PlanOutcome, TranscodeOutcome},
};

use super::{Decision, Places, Rules, Step};
use crate::{
    index::{Demand, Named, RunView, State, TranscodeRow},
    jobs::{Placement, RunOrder},
    work::{Failed, WorkState},
};

/// Where a run is.
#[derive(Debug, Clone, PartialEq)]
pub enum RunStage<'a> {
    /// The plan runs.
    Planning(&'a WorkState),
    /// So many chunks are to be encoded.
    ToEncode(u32),
    /// Chunks are encoded.
    Encoding(&'a WorkState),
    /// These chunks ran out of memory and are to be encoded with more.
    ToEncodeAgain(&'a [u32]),
    /// Every chunk is there.
    ToFinish,
    /// Chunks are joined and packaged.
    Finishing(&'a WorkState),
    /// Done.
    Done(&'a TranscodeOutcome),
    /// Failed for good.
    Failed(&'a Failed),
}

impl<'a> RunStage<'a> {
    /// Reads the stage of a run, latest part first.
    #[must_use]
    pub fn of(run: &'a RunView) -> Self {
        let is_short = !run.short.is_empty();
        for part in [Some(&run.finish), (!is_short).then_some(&run.chunks), Some(&run.plan)].into_iter().flatten() {
            if let WorkState::Failed(failed) = part {
                return Self::Failed(failed);
            }
        }
        match (run.finish.outcome(), run.plan.outcome()) {
            (Some(Outcome::Finish(outcome)), _) => return Self::Done(outcome),
            (_, Some(Outcome::Plan(PlanOutcome::Done(outcome)))) => return Self::Done(outcome),
            _ => {}
        }
        if run.finish != WorkState::Absent {
            return Self::Finishing(&run.finish);
        }
        if is_short {
            return Self::ToEncodeAgain(&run.short);
        }
        // The Job's word is enough: each index that ended well left its marker in the store.
        if matches!(&run.chunks, WorkState::Lost { reason } if reason == "Complete") {
            return Self::ToFinish;
        }
        if run.chunks != WorkState::Absent {
            return Self::Encoding(&run.chunks);
        }
        match run.plan.outcome() {
            Some(Outcome::Plan(PlanOutcome::Chunks { chunks, .. })) => Self::ToEncode(*chunks),
            _ => Self::Planning(&run.plan),
        }
    }

    fn task(&self, state: &State, run: &RunView) -> TaskId {
        let second = TaskId::again(&run.run);
        match self {
            Self::Encoding(_) | Self::ToFinish if state.jobs.get(second.as_str()).is_some() => second,
            Self::Encoding(_) | Self::ToFinish | Self::ToEncodeAgain(_) => TaskId::chunks(&run.run),
            Self::Finishing(_) => TaskId::finish(&run.run),
            _ => TaskId::plan(&run.run),
        }
    }

    const fn work(&self) -> Option<&WorkState> {
        match self {
            Self::Planning(work) | Self::Encoding(work) | Self::Finishing(work) => Some(work),
            _ => None,
        }
    }
}

/// Decides about every run and every rendition somebody waits for.
#[must_use]
pub fn runs(state: &State, rules: &Rules) -> Decision {
    let mut places = Places::new(rules.runs);
    let mut decision = Decision::default();
    let retries: BTreeSet<RenditionKey> = state.transcodes.retries().collect();
    for run in state.runs() {
        step_of(state, rules, &run, &retries, &mut places, &mut decision);
    }
    for set in sets(state) {
        let Some((first, _, _)) = set.members.first() else { continue };
        if rules.queued || set.queue().is_some() || places.take(&first.namespace) {
            decision.steps.push(set.plan(state));
        } else {
            decision.waiting.renditions.extend(set.members.iter().map(|(_, _, demand)| demand.order.key));
        }
    }
    decision
}

fn step_of(
    state: &State,
    rules: &Rules,
    run: &RunView,
    retries: &BTreeSet<RenditionKey>,
    places: &mut Places,
    decision: &mut Decision,
) {
    let stage = RunStage::of(run);
    let task = stage.task(state, run);
    let uid = |task: &TaskId| state.jobs.get(task.as_str()).map(|job| job.uid.clone());
    let (wanted, held) = interest(state, run);
    match &stage {
        RunStage::Done(_) => {}
        RunStage::Failed(_) => {
            if run.renditions.iter().any(|key| retries.contains(key)) {
                decision.steps.extend(parts(run).map(|task| Step::Reset { job: uid(&task), task, lost: None }));
            }
        }
        RunStage::ToEncode(count) => {
            places.hold(&run.namespace);
            if wanted && !held {
                decision.steps.push(Step::Chunks { run: run.run, count: *count });
            }
        }
        RunStage::ToEncodeAgain(indexes) => {
            places.hold(&run.namespace);
            if wanted && !held {
                decision.steps.push(Step::Again { run: run.run, indexes: indexes.to_vec() });
            }
        }
        RunStage::ToFinish => {
            places.hold(&run.namespace);
            if wanted && !held {
                decision.steps.push(Step::Finish { run: run.run });
            }
        }
        RunStage::Planning(_) | RunStage::Encoding(_) | RunStage::Finishing(_) => {
            let work = stage.work().unwrap_or(&WorkState::Absent);
            if work.takes_a_place() {
                places.hold(&run.namespace);
            }
            match work {
                WorkState::Active { .. } if held && !rules.queued => decision.steps.push(Step::Suspend(task)),
                WorkState::Suspended if wanted && !held && !rules.queued && places.take(&run.namespace) => {
                    decision.steps.push(Step::Resume(task));
                }
                WorkState::Lost { .. } => {
                    let attempt = state.jobs.get(task.as_str()).map_or(1, |job| job.attempt);
                    if wanted && attempt < rules.max_attempts {
                        decision.steps.push(Step::Reset { job: uid(&task), task, lost: Some(attempt) });
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether some TranscodeJob wants what a run makes, and whether all that do are suspended.
fn interest(state: &State, run: &RunView) -> (bool, bool) {
    let names = run.renditions.iter().flat_map(|key| state.transcodes.of_key(key));
    let rows: Vec<&TranscodeRow> = names.filter_map(|name| state.transcodes.get(name)).collect();
    let waiting: Vec<_> = rows.iter().filter(|row| !row.succeeded && !row.stalled).collect();
    (!waiting.is_empty(), !waiting.is_empty() && waiting.iter().all(|row| is_suspended(state, row)))
}

/// Every task of a run that can have a record.
fn parts(run: &RunView) -> impl Iterator<Item = TaskId> + '_ {
    let chunks = run.counts.map_or(0, |(_, all)| all);
    let chunks = (0..chunks).map(|index| TaskId::chunk(&run.run, index));
    [TaskId::finish(&run.run), TaskId::again(&run.run), TaskId::chunks(&run.run)]
        .into_iter()
        .chain(chunks)
        .chain([TaskId::plan(&run.run)])
}

/// Demands that become one run.
struct Set<'a> {
    source: ContentId,
    members: Vec<(&'a Named, &'a TranscodeRow, &'a Demand)>,
}

impl Set<'_> {
    fn queue(&self) -> Option<&String> {
        self.members.iter().find_map(|(_, _, demand)| demand.queue.as_ref())
    }

    fn plan(&self, state: &State) -> Step {
        let (first, _, demand) = self.members[0];
        let mut renditions: Vec<_> = self.members.iter().map(|(_, _, demand)| demand.order.clone()).collect();
        renditions.sort_by_key(|order| order.key);
        renditions.dedup_by_key(|order| order.key);
        let (chunking, bounds) = (demand.chunking, demand.bounds.clone());
        let order = RunOrder { source: self.source, renditions, chunking, bounds };
        let placement = Placement {
            namespace: first.namespace.to_string(),
            owner: first.to_string(),
            attempt: state.next_attempt(&TaskId::plan(&order.run())),
            queue: self.queue().cloned(),
        };
        Step::Plan { order: Box::new(order), placement }
    }
}

/// Sets of renditions that no run makes, in the order of their first members. A set waits until the TranscodeJobs of its videos
/// are all made and looked at.
fn sets(state: &State) -> Vec<Set<'_>> {
    let mut by_source: BTreeMap<(ContentId, u32, Option<&String>), Set<'_>> = BTreeMap::new();
    for (name, row, demand) in state.transcodes.demands() {
        if is_suspended(state, row) || state.jobs.run_of(&demand.order.key).is_some() || !is_complete(state, &row.video)
        {
            continue;
        }
        let group = (demand.source, demand.chunking.seconds, demand.queue.as_ref());
        let set = by_source.entry(group).or_insert_with(|| Set { source: demand.source, members: Vec::new() });
        set.members.push((name, row, demand));
    }
    let mut sets: Vec<Set<'_>> = by_source.into_values().collect();
    let rank =
        |(name, row, _): &(&Named, &TranscodeRow, &Demand)| (Reverse(row.priority), row.created, (*name).clone());
    for set in &mut sets {
        set.members.sort_by_key(rank);
    }
    sets.sort_by_key(|set| set.members.first().map(rank));
    sets
}

/// Whether a TranscodeJob or its video is stopped.
fn is_suspended(state: &State, row: &TranscodeRow) -> bool {
    row.suspended || state.videos.get(&row.video).is_some_and(|video| video.suspended)
}

fn is_complete(state: &State, video: &Named) -> bool {
    !state.preparing.contains(video) && state.transcodes.of_video(video).all(|name| state.transcodes.is_known(name))
}
