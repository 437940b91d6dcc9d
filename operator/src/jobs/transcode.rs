//! The Jobs of a run: plan, chunks (Indexed), finish. Later stages are made from the Job of an earlier one, so that a run goes
//! on as it began whatever becomes of the objects it was made for.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use videocloud_protocol::{
    ids::{ContentId, RunId, TaskId},
    task::{Chunking, RenditionOrder, TranscodeTask, TranscodeWork},
};

use super::{
    Environment, Placement, annotations,
    frame::{Frame, chunk_failure_policy, failure_policy},
    labels,
};

/// What a run makes, and how hard it tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrder {
    /// The content to read.
    pub source: ContentId,
    /// The set to make.
    pub renditions: Vec<RenditionOrder>,
    /// How to cut.
    pub chunking: Chunking,
    /// Bounds of each Job.
    pub bounds: RunBounds,
}

/// How hard the Jobs of a run try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBounds {
    /// Chunks encoded side by side.
    pub parallelism: u32,
    /// Retries of each Job (for chunks, of each index).
    pub backoff_limit: u32,
    /// How long each Job may run.
    pub deadline: Duration,
    /// PriorityClass of the pods, when it is not the operator's.
    pub priority_class: Option<String>,
}

impl RunOrder {
    /// The run: named by what it makes.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId::of(self.renditions.iter().map(|order| order.key))
    }
}

/// The Job that plans `order` (and, with one chunk, does all of it).
///
/// # Errors
/// When the order cannot be written as JSON, which plain data never is.
pub fn plan(order: RunOrder, placement: &Placement, environment: &Environment) -> Result<Job, serde_json::Error> {
    let run = order.run();
    let RunOrder { source, renditions, chunking, bounds } = order;
    let task = TranscodeTask {
        task: TaskId::plan(&run),
        run,
        work: TranscodeWork::Plan,
        source,
        renditions,
        chunking,
        again: Vec::new(),
    };
    build(&task, &task.task, &bounds, None, placement, environment)
}

/// The Indexed Job that encodes the `count` chunks of the run that `earlier` planned.
///
/// # Errors
/// [`serde_json::Error`] when `earlier` does not carry a task.
pub fn chunks(
    earlier: &Job,
    count: u32,
    placement: &Placement,
    environment: &Environment,
) -> Result<Job, serde_json::Error> {
    let task = read_task(earlier)?;
    let task = TranscodeTask { task: TaskId::chunks(&task.run), work: TranscodeWork::Chunk, ..task };
    build(&task, &task.task, &RunBounds::of(earlier), Some(count), placement, environment)
}

/// The second Indexed Job of a run, for the chunks `indexes` that ran out of memory in the first, with more of it.
///
/// # Errors
/// [`serde_json::Error`] when `earlier` does not carry a task.
pub fn again(
    earlier: &Job,
    indexes: &[u32],
    placement: &Placement,
    environment: &Environment,
) -> Result<Job, serde_json::Error> {
    let task = read_task(earlier)?;
    let name = TaskId::again(&task.run);
    let again = indexes.to_vec();
    let task = TranscodeTask { task: TaskId::chunks(&task.run), work: TranscodeWork::Chunk, again, ..task };
    let count = u32::try_from(indexes.len()).unwrap_or(u32::MAX);
    build(&task, &name, &RunBounds::of(earlier), Some(count), placement, environment)
}

/// The Job that finishes the run of which `earlier` is a Job.
///
/// # Errors
/// [`serde_json::Error`] when `earlier` does not carry a task.
pub fn finish(earlier: &Job, placement: &Placement, environment: &Environment) -> Result<Job, serde_json::Error> {
    let task = read_task(earlier)?;
    let task =
        TranscodeTask { task: TaskId::finish(&task.run), work: TranscodeWork::Finish, again: Vec::new(), ..task };
    build(&task, &task.task, &RunBounds::of(earlier), None, placement, environment)
}

/// The task a Job carries.
///
/// # Errors
/// [`serde_json::Error`] when it carries none.
pub fn read_task(job: &Job) -> Result<TranscodeTask, serde_json::Error> {
    let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let variables = pod.and_then(|pod| pod.containers.first()?.env.as_ref()).into_iter().flatten();
    let text = variables.filter(|variable| variable.name == "VIDEOCLOUD_TASK").find_map(|v| v.value.as_deref());
    serde_json::from_str(text.unwrap_or_default())
}

impl RunBounds {
    fn of(job: &Job) -> Self {
        let spec = job.spec.as_ref();
        let backoff = spec.and_then(|spec| spec.backoff_limit_per_index.or(spec.backoff_limit));
        let deadline = spec.and_then(|spec| spec.active_deadline_seconds).and_then(|value| u64::try_from(value).ok());
        let parallelism = job.metadata.annotations.as_ref().and_then(|all| all.get(annotations::PARALLELISM));
        let pod = spec.and_then(|spec| spec.template.spec.as_ref());
        Self {
            parallelism: parallelism.and_then(|text| text.parse().ok()).unwrap_or(1),
            backoff_limit: backoff.and_then(|value| u32::try_from(value).ok()).unwrap_or(3),
            deadline: Duration::from_secs(deadline.unwrap_or(86_400)),
            priority_class: pod.and_then(|pod| pod.priority_class_name.clone()),
        }
    }
}

fn build(
    task: &TranscodeTask,
    name: &TaskId,
    bounds: &RunBounds,
    chunks: Option<u32>,
    placement: &Placement,
    environment: &Environment,
) -> Result<Job, serde_json::Error> {
    let settings = &environment.settings;
    let word = match task.work {
        TranscodeWork::Plan => "plan",
        TranscodeWork::Chunk => "chunk",
        TranscodeWork::Finish => "finish",
    };
    let keys: Vec<String> = task.renditions.iter().map(|order| order.key.to_string()).collect();
    let frame = Frame {
        name,
        task: &task.task,
        work: word,
        subject: (labels::RUN, task.run.to_string()),
        component: "transcoder",
        placement,
        annotations: vec![
            (annotations::RENDITIONS, keys.join(",")),
            (annotations::PARALLELISM, bounds.parallelism.to_string()),
        ],
    };
    let text = serde_json::to_string(&task)?;
    let mut resources = settings.jobs.transcoder();
    let factor = if task.again.is_empty() { 1 } else { settings.jobs.more_memory };
    let (requests, limits) = (resources.requests.with_memory_times(factor), resources.limits.with_memory_times(factor));
    (resources.requests, resources.limits) = (&requests, &limits);
    let mut template = environment.template(&frame, resources, &[word], text, bounds.deadline);
    if let (Some(pod), Some(class)) = (template.spec.as_mut(), &bounds.priority_class) {
        pod.priority_class_name = Some(class.clone());
    }
    let backoff = i32::try_from(bounds.backoff_limit).ok();
    let count = i32::try_from(chunks.unwrap_or(1)).unwrap_or(i32::MAX);
    let parallelism = i32::try_from(bounds.parallelism).unwrap_or(i32::MAX);
    let spec = JobSpec {
        template,
        completions: Some(count),
        parallelism: Some(if chunks.is_some() { parallelism.min(count) } else { 1 }),
        completion_mode: chunks.map(|_| "Indexed".into()),
        backoff_limit: if chunks.is_some() { None } else { backoff },
        backoff_limit_per_index: chunks.and(backoff),
        // An index that fails does not stop the others: what they encode is there for the second Job, or for another try.
        active_deadline_seconds: i64::try_from(bounds.deadline.as_secs()).ok(),
        ttl_seconds_after_finished: i32::try_from(settings.jobs.job_ttl.as_secs()).ok(),
        pod_failure_policy: Some(if chunks.is_some() { chunk_failure_policy() } else { failure_policy() }),
        pod_replacement_policy: Some("Failed".into()),
        ..JobSpec::default()
    };
    Ok(frame.job(&settings.namespace, spec))
}
