//! The one task that carries admission out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::ids::{ClaimKey, RunId, TaskId};

use super::{Decision, Rules, Step, downloads, inputs, runs};
use crate::{
    apiserver::{ApiError, Created},
    controllers::{World, video::Wish},
    index::{Index, Named, Refusal, WatchedJob},
    jobs::{self, DownloadOrder, Inputs, Placement, Unavailable},
    metrics,
};

/// Changes that come together are decided together.
const GATHER: Duration = Duration::from_millis(20);
/// Pause before a failed step is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Pause before a download whose Secret or document could not be had is tried again.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// Steps carried out side by side.
const SIDE_BY_SIDE: usize = 8;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Tracker(#[from] videocloud_protocol::tracker::ClientError),
    #[error("failed to write or read the task of Job {0}: {1}")]
    Task(String, serde_json::Error),
    #[error("failed to go on with run {0}: none of its Jobs is left")]
    NoJob(RunId),
}

/// Admits Jobs until `stop`, whenever the index says that something changed.
pub async fn admit(world: Arc<World>, stop: CancellationToken) {
    let control = &world.settings.control;
    let rules = Rules {
        downloads: control.downloads(),
        runs: control.transcodes(),
        max_attempts: control.max_attempts,
        queued: world.settings.jobs.queue_name.is_some(),
    };
    let mut failed = false;
    loop {
        let refused = world.index.state().refused.values().map(|refusal| refusal.until).min();
        let at = refused.into_iter().chain(failed.then(|| Instant::now() + AGAIN)).min();
        let again = async {
            if let Some(at) = at { tokio::time::sleep_until(at.into()).await } else { std::future::pending().await }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = world.index.admission.notified() => {}
            () = again => {}
        }
        tokio::time::sleep(GATHER).await;
        let Decision { steps, waiting } = {
            let mut state = world.index.state();
            let now = Instant::now();
            state.refused.retain(|_, refusal| refusal.until > now);
            downloads(&state, &rules).and(runs(&state, &rules))
        };
        let results: Vec<bool> = futures::stream::iter(steps)
            .map(|step| carry_out(&world, step))
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        world.index.set_waiting(waiting);
        failed = results.contains(&false);
    }
}

async fn carry_out(world: &World, step: Step) -> bool {
    match try_step(world, &step).await {
        Ok(done) => {
            if let Some(done) = done {
                world.metrics.step(done);
                tracing::info!(?step, "admission");
            }
            true
        }
        Err(error) => {
            world.metrics.step(metrics::Step::Failed);
            tracing::warn!(%error, "failed to carry an admission out, trying again");
            false
        }
    }
}

async fn try_step(world: &World, step: &Step) -> Result<Option<metrics::Step>, StepError> {
    let system = &world.settings.namespace;
    match step {
        Step::Download { key, owner, attempt } => download(world, key, owner, *attempt).await,
        Step::Inputs { key, owner, job } => {
            if let Some((_, found)) = gather(world, key, owner).await? {
                give(world, key, found, job).await?;
            }
            Ok(None)
        }
        Step::Plan { order, placement } => {
            let queue = placement.queue.clone().or_else(|| world.settings.jobs.queue_name.clone());
            let placement = Placement { queue, ..placement.clone() };
            let name = TaskId::plan(&order.run()).to_string();
            let job = jobs::plan((**order).clone(), &placement, &world.environment);
            make(world, job.map_err(|error| StepError::Task(name, error))?).await
        }
        Step::Chunks { run, count } => {
            let (earlier, placement) = earlier(world, run, &[TaskId::plan(run)], &TaskId::chunks(run)).await?;
            let job = jobs::chunks(&earlier, *count, &placement, &world.environment);
            make(world, job.map_err(|error| StepError::Task(TaskId::chunks(run).to_string(), error))?).await
        }
        Step::Again { run, indexes } => {
            let (earlier, placement) = earlier(world, run, &[TaskId::chunks(run)], &TaskId::again(run)).await?;
            let job = jobs::again(&earlier, indexes, &placement, &world.environment);
            make(world, job.map_err(|error| StepError::Task(TaskId::again(run).to_string(), error))?).await
        }
        Step::Finish { run } => {
            let from = [TaskId::chunks(run), TaskId::plan(run)];
            let (earlier, placement) = earlier(world, run, &from, &TaskId::finish(run)).await?;
            let job = jobs::finish(&earlier, &placement, &world.environment);
            make(world, job.map_err(|error| StepError::Task(TaskId::finish(run).to_string(), error))?).await
        }
        Step::Suspend(task) => {
            world.api.suspend_job(system, task.as_str(), true).await?;
            Ok(Some(metrics::Step::Suspended))
        }
        Step::Resume(task) => {
            world.api.suspend_job(system, task.as_str(), false).await?;
            Ok(Some(metrics::Step::Resumed))
        }
        Step::Reset { task, job, lost } => {
            reset(world, task, job.as_deref()).await?;
            let mut state = world.index.state();
            match lost {
                Some(attempt) => state.attempts.insert(task.clone(), *attempt),
                None => state.attempts.remove(task),
            };
            drop(state);
            Ok(Some(metrics::Step::Reset))
        }
    }
}

/// Makes the Job of a download, and the Secret it needs.
async fn download(
    world: &World,
    key: &ClaimKey,
    owner: &Named,
    attempt: u32,
) -> Result<Option<metrics::Step>, StepError> {
    let Some((wish, found)) = gather(world, key, owner).await? else { return Ok(None) };
    let Some(order) = order(world, wish, owner, key, found.clone()) else { return Ok(None) };
    let job = jobs::download(order, &placed(world, owner, attempt), &world.environment)
        .map_err(|error| StepError::Task(TaskId::download(key).to_string(), error))?;
    match world.api.create(&world.settings.namespace, &job).await? {
        Created::New(made) => {
            // The pod waits for its Secret, and the Secret goes with the Job: so it comes second.
            if !found.is_empty() {
                give(world, key, found, made.metadata.uid.as_deref().unwrap_or_default()).await?;
            }
            take_in(&world.index, &made);
            Ok(Some(metrics::Step::Created))
        }
        Created::Exists => Ok(Some(metrics::Step::Adopted)),
    }
}

/// What the sources of `owner` need. When it cannot be had, the owners of `key` say so.
async fn gather(world: &World, key: &ClaimKey, owner: &Named) -> Result<Option<(Wish, Inputs)>, StepError> {
    let Some(video) = world.index.videos.get(owner) else { return Ok(None) };
    let Ok(wish) = Wish::read(&video) else { return Ok(None) };
    if wish.key != *key {
        return Ok(None);
    }
    match inputs::gather(world, &owner.namespace, &wish.needed).await? {
        Ok(found) => Ok(Some((wish, found))),
        Err(Unavailable(message)) => {
            world.index.refuse(key, Refusal { message, until: Instant::now() + REFUSED_FOR });
            Ok(None)
        }
    }
}

fn order(world: &World, wish: Wish, owner: &Named, key: &ClaimKey, inputs: Inputs) -> Option<DownloadOrder> {
    let uid = world.index.state().videos.get(owner)?.uid.clone();
    let answer = world.index.state().ledger.claim(&uid, key).cloned()?;
    let Wish { key: _, wanted, sources, needed: _, while_downloading, progress_deadline_seconds } = wish;
    Some(DownloadOrder { wanted, sources, while_downloading, progress_deadline_seconds, answer, inputs })
}

fn placed(world: &World, owner: &Named, attempt: u32) -> Placement {
    Placement {
        namespace: owner.namespace.to_string(),
        owner: owner.to_string(),
        attempt,
        queue: world.settings.jobs.queue_name.clone(),
    }
}

/// Makes the Secret of a download, owned by the Job with this uid.
async fn give(world: &World, key: &ClaimKey, inputs: Inputs, job: &str) -> Result<(), StepError> {
    let secret = inputs.secret(TaskId::download(key).as_str(), &world.settings.namespace, job);
    world.api.apply(&world.settings.namespace, &secret).await?;
    world.index.state().given.insert(*key);
    Ok(())
}

/// Removes a Job and has its task forgotten, in this order: a task without a record and with an ended Job is made again too.
pub(crate) async fn remove(world: &World, task: &TaskId, job: Option<&str>) -> Result<(), anyhow::Error> {
    Ok(reset(world, task, job).await?)
}

async fn reset(world: &World, task: &TaskId, job: Option<&str>) -> Result<(), StepError> {
    if let Some(uid) = job {
        world.api.delete::<Job>(&world.settings.namespace, task.as_str(), uid).await?;
    }
    world.tracker.forget_task(task).await?;
    world.index.task_forgotten(task);
    Ok(())
}

/// Makes a Job. One of the same name that is there already is adopted: it does the same work.
async fn make(world: &World, job: Job) -> Result<Option<metrics::Step>, StepError> {
    match world.api.create(&world.settings.namespace, &job).await? {
        Created::New(made) => {
            take_in(&world.index, &made);
            Ok(Some(metrics::Step::Created))
        }
        Created::Exists => Ok(Some(metrics::Step::Adopted)),
    }
}

/// Takes a Job into the index before the watch brings it, so that the next decision counts it.
fn take_in(index: &Index, job: &Job) {
    match serde_json::to_value(job).and_then(serde_json::from_value::<WatchedJob>) {
        Ok(watched) => index.job_changed(&watched),
        Err(error) => tracing::error!(%error, "failed to read a Job that was just made"),
    }
}

/// The latest Job of a run there is, and the placement the next one inherits from it.
async fn earlier(world: &World, run: &RunId, from: &[TaskId], next: &TaskId) -> Result<(Job, Placement), StepError> {
    for task in from {
        if let Some(job) = world.api.read::<Job>(&world.settings.namespace, task.as_str()).await? {
            let placement = Placement::inherited(&job, world.index.state().next_attempt(next));
            return Ok((job, placement));
        }
    }
    Err(StepError::NoJob(*run))
}
