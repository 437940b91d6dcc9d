//! The three steps. A plan of one chunk (or of sound alone) does the other two on the spot.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt, stream};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::RenditionManifest;
use videocloud_protocol::task::{ChunkOutcome, PlanOutcome, TranscodeOutcome, TranscodeTask, TranscodeWork};
use videocloud_store::{Published, Run};

use super::report::{Progressing, Stage};
use super::workspace::{self, StoredChunk, StoredPlan, stored};
use super::{Context, growing, source};
use crate::disk::fault;
use crate::encode::LocalSource;
use crate::encode::chunk::{self, ChunkDone};
use crate::ingest::{self, Ingested};
use crate::package::{self, Finished, Sounds, Work, internal};
use crate::plan::{ChunkPlan, Plan};
use crate::probe::Container;
use crate::quality::title;
use crate::run::cpu_millis;

/// Chunks that a finish fetches at the same time: enough to hide the latency of object storage.
const FETCHES: usize = 8;

/// What a plan's pod goes on with when others encode the chunks.
pub(super) struct Planned {
    pub(super) ingested: Ingested,
    pub(super) plan: Plan,
}

pub(super) async fn plan(
    context: &Context,
    task: &TranscodeTask,
    progress: &Progressing,
) -> Result<(PlanOutcome, Option<Planned>), Failure> {
    if let Some(done) = published(context, task).await? {
        return Ok((PlanOutcome::Done(done), None));
    }
    progress.enter(Stage::Probing);
    let ingested = whole_source(context, task).await?;
    let packets = ingest::packets(&context.driver, &ingested, &context.scratch).await?;
    let container = ingested.source.container;
    let mut plan = Plan::make(ingested.facts.clone(), container, &packets, &task.renditions, task.chunking)?;
    if let Some(heads) = ingested.heads().await? {
        plan.locate(&packets, &heads);
    }
    drop(packets);
    let run = context.store.run(&task.run);
    let media = plan.facts.summary();
    if plan.chunks.len() > 1 {
        let chunks = u32::try_from(plan.chunks.len()).unwrap_or(u32::MAX);
        let plan = match workspace::planned(&run, &plan).await? {
            Some(found) => found.plan,
            None => {
                title::tune(&context.driver, &ingested.source, &mut plan, &context.scratch).await?;
                let stored = StoredPlan { plan, cpu_millis: cpu_millis() };
                workspace::write_plan(&run, &stored).await?;
                stored.plan
            }
        };
        return Ok((PlanOutcome::Chunks { chunks, media }, Some(Planned { ingested, plan })));
    }
    title::tune(&context.driver, &ingested.source, &mut plan, &context.scratch).await?;
    progress.enter(Stage::Encoding);
    progress.expect(plan.frames().unwrap_or(0));
    let mut folders = Vec::new();
    for part in &plan.chunks {
        let folder = chunk_folder(context, part.index)?;
        chunk::encode(&context.driver, &ingested.source, &plan, part, &folder, |n| progress.frames(n)).await?;
        folders.push(folder);
    }
    let finish = Finish { ingested: &ingested, plan: &plan, chunks: &folders, sounds: None };
    let renditions = package_and_publish(context, task, finish, progress).await?;
    Ok((PlanOutcome::Done(outcome(&renditions, 1, cpu_millis())), None))
}

pub(super) async fn chunk(
    context: &Context,
    task: &TranscodeTask,
    index: u32,
    progress: &Progressing,
) -> Result<ChunkOutcome, Failure> {
    let run = context.store.run(&task.run);
    let plan = workspace::read_plan(&run).await?.plan;
    let part = plan.chunks.get(index as usize).ok_or_else(|| {
        let message = format!("failed to encode chunk {index}: the plan has {} chunks", plan.chunks.len());
        Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message)
    })?;
    let answer = |stored: &StoredChunk| ChunkOutcome {
        index,
        frames: stored.done.pieces.first().map_or(0, |piece| piece.frames),
        cpu_millis: stored.cpu_millis,
    };
    if let Some(done) = workspace::read_marker(&run, index).await? {
        return Ok(answer(&done));
    }
    progress.enter(Stage::Probing);
    progress.expect(part.expected.first().map_or(0, |expected| expected.frames));
    let (done, folder) = encode(context, task, &plan, part, progress).await?;
    progress.enter(Stage::Publishing);
    growing::put_parts(&run, &plan, part, &folder).await?;
    let stored = StoredChunk { done, cpu_millis: cpu_millis() };
    workspace::write_chunk(&run, &stored, &folder).await?;
    Ok(answer(&stored))
}

pub(super) async fn finish(
    context: &Context,
    task: &TranscodeTask,
    progress: &Progressing,
) -> Result<TranscodeOutcome, Failure> {
    if let Some(done) = published(context, task).await? {
        return Ok(done);
    }
    progress.enter(Stage::Probing);
    let run = context.store.run(&task.run);
    let StoredPlan { plan, mut cpu_millis } = workspace::read_plan(&run).await?;
    let fetches = plan.chunks.iter().map(|part| fetch_chunk(context, &run, part.index));
    let chunks: Vec<(PathBuf, u64)> = stream::iter(fetches).buffered(FETCHES).try_collect().await?;
    let (folders, costs): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
    cpu_millis += costs.iter().sum::<u64>();
    let sounds = growing::take_sound(&run, &plan, &context.scratch).await?.map(|(sounds, cost)| {
        cpu_millis += cost;
        sounds
    });
    let ingested = whole_source(context, task).await?;
    let finish = Finish { ingested: &ingested, plan: &plan, chunks: &folders, sounds };
    let renditions = package_and_publish(context, task, finish, progress).await?;
    let chunks = u32::try_from(plan.chunks.len()).unwrap_or(u32::MAX);
    Ok(outcome(&renditions, chunks, cpu_millis + self::cpu_millis()))
}

/// Fetches the pieces of a chunk; answers their folder and what they cost.
async fn fetch_chunk(context: &Context, run: &Run, index: u32) -> Result<(PathBuf, u64), Failure> {
    let marker = workspace::read_marker(run, index).await?;
    let marker = marker.ok_or_else(|| internal(format!("chunk {index} is not done")))?;
    let folder = chunk_folder(context, index)?;
    workspace::fetch_chunk(run, &marker.done, &folder).await?;
    Ok((folder, marker.cpu_millis))
}

/// Removes the run's workspace once its outcome is known to the tracker. What is left by a crash, the janitor takes.
pub(super) async fn clean(context: &Context, task: &TranscodeTask) {
    if task.work == TranscodeWork::Finish
        && let Err(error) = context.store.run(&task.run).delete_all().await
    {
        tracing::warn!(%error, "the run's workspace is left for the janitor");
    }
}

async fn whole_source(context: &Context, task: &TranscodeTask) -> Result<Ingested, Failure> {
    let path = source::whole(&context.store, &task.source, &context.scratch).await?;
    ingest::ingest(&context.driver, &path, &context.scratch).await
}

/// Encodes a chunk from the bytes the plan names, and from the whole source if there are none or if that fails.
async fn encode(
    context: &Context,
    task: &TranscodeTask,
    plan: &Plan,
    part: &ChunkPlan,
    progress: &Progressing,
) -> Result<(ChunkDone, PathBuf), Failure> {
    let folder = chunk_folder(context, part.index)?;
    let seen = |frames| progress.frames(frames);
    if !part.reads.is_empty() {
        let path = source::ranges(&context.store, &task.source, &context.scratch, &part.reads).await?;
        progress.enter(Stage::Encoding);
        let partial = LocalSource { path, container: Container::Mov };
        match chunk::encode(&context.driver, &partial, plan, part, &folder, seen).await {
            Ok(done) => return Ok((done, folder)),
            Err(failure) if failure.class == FailureClass::BadInput => {
                tracing::warn!(chunk = part.index, %failure, "trying again with the whole source");
                progress.enter(Stage::Probing);
            }
            Err(failure) => return Err(failure),
        }
    }
    let ingested = whole_source(context, task).await?;
    progress.enter(Stage::Encoding);
    let done = chunk::encode(&context.driver, &ingested.source, plan, part, &folder, seen).await?;
    Ok((done, folder))
}

fn chunk_folder(context: &Context, index: u32) -> Result<PathBuf, Failure> {
    let folder = context.scratch.join(format!("chunk-{index}"));
    std::fs::create_dir_all(&folder).map_err(|error| fault("create", &folder, &error))?;
    Ok(folder)
}

/// The outcome when every rendition of the task is in the store already: an earlier try got as far as publishing.
async fn published(context: &Context, task: &TranscodeTask) -> Result<Option<TranscodeOutcome>, Failure> {
    let mut manifests = Vec::with_capacity(task.renditions.len());
    for order in &task.renditions {
        match context.store.rendition(&order.key).await {
            Ok(manifest) => manifests.push(manifest),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(stored(&error)),
        }
    }
    Ok(Some(outcome(&manifests, 0, cpu_millis())))
}

fn outcome(manifests: &[RenditionManifest], chunks: u32, cpu_millis: u64) -> TranscodeOutcome {
    TranscodeOutcome {
        renditions: manifests.iter().map(RenditionManifest::summary).collect(),
        media: manifests.first().map(|manifest| manifest.media.clone()).unwrap_or_default(),
        chunks,
        cpu_millis,
    }
}

/// What is packaged.
struct Finish<'a> {
    ingested: &'a Ingested,
    plan: &'a Plan,
    chunks: &'a [PathBuf],
    /// The sound, where it is encoded already.
    sounds: Option<Sounds>,
}

async fn package_and_publish(
    context: &Context,
    task: &TranscodeTask,
    Finish { ingested, plan, chunks, sounds }: Finish<'_>,
    progress: &Progressing,
) -> Result<Vec<RenditionManifest>, Failure> {
    progress.enter(Stage::Packaging);
    let (driver, scratch) = (&context.driver, context.scratch.as_path());
    let work = Work { driver, ingested, content: task.source, plan, chunks, scratch };
    let sounds = match sounds {
        Some(sounds) => sounds,
        None => package::sounds(&work).await?,
    };
    let finished = package::finish(work, &sounds).await?;
    progress.enter(Stage::Publishing);
    let mut manifests = Vec::with_capacity(finished.len());
    for rendition in finished {
        manifests.push(publish(context, rendition).await?);
    }
    Ok(manifests)
}

async fn publish(
    context: &Context,
    Finished { mut manifest, folder, .. }: Finished,
) -> Result<RenditionManifest, Failure> {
    let tree = context.store.stage_tree(&manifest.key).map_err(|error| stored(&error))?;
    manifest.attempt = tree.attempt().to_owned();
    manifest.created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    for file in &manifest.files {
        let from = folder.join(file.path.as_str());
        tree.put_file(&file.path, &from).await.map_err(|error| stored(&error))?;
    }
    match tree.publish(&manifest).await.map_err(|error| stored(&error))? {
        Published::New => Ok(manifest),
        Published::AlreadyThere(existing) => Ok(existing),
    }
}
