//! Task mode: one step of a run in the store, ordered by `VIDEOCLOUD_TASK` and reported to the tracker.
//!
//! ```text
//! runs/<run>/plan.json                 the plan, written by the plan step
//! runs/<run>/chunks/<i>/r<n>.mp4       pieces of a chunk
//! runs/<run>/chunks/<i>/done.json      its marker, written last
//! runs/<run>/sound/...                 the sound, from the plan's pod while chunks are encoded
//! runs/<run>/growing/...               what the edge can play meanwhile
//! ```
//!
//! Every step may be killed anywhere and run again: it finds what is done by its marker and gives the same bytes.

mod growing;
mod report;
mod source;
mod steps;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::{Outcome, TaskResult, TranscodeTask, TranscodeWork};
use videocloud_protocol::tracker::Client;
use videocloud_store::Store;

use crate::encode::Driver;
pub use report::Progressing;

/// Everything a step needs.
#[derive(Debug, Clone)]
pub struct Context {
    /// How ffmpeg is run.
    pub driver: Driver,
    /// The store.
    pub store: Store,
    /// A writable folder for this step alone; the caller removes it.
    pub scratch: PathBuf,
    /// The tracker; without one nothing is reported.
    pub tracker: Option<Client>,
}

/// Runs the step that `task` orders (of a chunk step, the chunk of the pod's `index`), reports it, and answers how it went.
///
/// # Errors
/// The [`Failure`] of the step, after it was reported.
pub async fn perform(context: &Context, task: &TranscodeTask, index: u32) -> Result<Outcome, Failure> {
    let index = task.chunk_of(index).ok_or_else(|| {
        let message = format!("failed to find chunk number {index} of {}: the order names fewer", task.task);
        Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message)
    })?;
    let id = match task.work {
        TranscodeWork::Chunk => TaskId::chunk(&task.run, index),
        TranscodeWork::Plan | TranscodeWork::Finish => task.task.clone(),
    };
    let progress = Arc::new(Progressing::default());
    let reporter = report::start(context.tracker.clone(), id.clone(), Arc::clone(&progress));
    let mut planned = None;
    let outcome = match task.work {
        TranscodeWork::Plan => steps::plan(context, task, &progress).await.map(|(outcome, rest)| {
            planned = rest;
            Outcome::Plan(outcome)
        }),
        TranscodeWork::Chunk => steps::chunk(context, task, index, &progress).await.map(Outcome::Chunk),
        TranscodeWork::Finish => steps::finish(context, task, &progress).await.map(Outcome::Finish),
    };
    reporter.end().await;
    let result = match &outcome {
        Ok(outcome) => TaskResult::Succeeded(outcome.clone()),
        Err(failure) => TaskResult::Failed { failure: failure.clone(), sources: Vec::new() },
    };
    report::result(context, &id, &result).await?;
    if outcome.is_ok() {
        steps::clean(context, task).await;
    }
    if let Some(steps::Planned { ingested, plan }) = planned {
        // The chunks are on their way by now. Without this the finish encodes the sound, and nothing is played before.
        if let Err(failure) = growing::put_sound(context, task, &ingested, &plan).await {
            tracing::warn!(%failure, "the sound is left to the finish");
        }
    }
    outcome
}
