//! What can be played of a run before its finish: each chunk puts the bytes that it adds to the tracks beside its pieces, and the
//! plan's pod encodes the sound when the chunks are under way. The edge serves both until the manifests are there; the finish takes
//! the sound as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use videocloud_protocol::failure::Failure;
use videocloud_protocol::playlist::hls;
use videocloud_protocol::rendition::growing::{GrowingHead, GrowingPart, file_path, head_path, part_paths};
use videocloud_protocol::rendition::{RenditionManifest, TreeFile};
use videocloud_protocol::task::TranscodeTask;
use videocloud_store::Run;

use super::Context;
use super::workspace::{self, stored};
use crate::disk::fault;
use crate::encode::{verify, video};
use crate::ingest::Ingested;
use crate::package::{self, Sounds, Work, grow, internal, segments};
use crate::plan::{ChunkPlan, Plan};
use crate::run::cpu_millis;

/// Where the marker of the sound is in the workspace.
const SOUND: &str = "sound/done.json";

/// The marker of a run's sound.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSound {
    /// SHA-256 (hex) of each file.
    files: BTreeMap<String, String>,
    cpu_millis: u64,
}

/// Puts what `chunk` adds to every rendition that is offered by HLS, from its pieces in `folder`.
pub(super) async fn put_parts(run: &Run, plan: &Plan, chunk: &ChunkPlan, folder: &Path) -> Result<(), Failure> {
    if !plan.grows() {
        return Ok(());
    }
    for (index, rendition) in plan.renditions.iter().enumerate().filter(|(_, r)| r.settings.packaging.hls) {
        let at = folder.join(format!("grown-{index}.mp4"));
        let piece = folder.join(video::piece_name(index));
        let Some(track) = grow::alone(plan, rendition, chunk, &piece, &at)? else { continue };
        let (path, marker) = part_paths(&rendition.key, chunk.index);
        let (size, sha256) = verify::digest(&at).map_err(|error| fault("read", &at, &error))?;
        run.put_file(&path, &at).await.map_err(|error| stored(&error))?;
        let file = TreeFile { path, size, mime: "video/mp4".to_owned(), sha256 };
        workspace::put(run, &marker, &GrowingPart { track, file }).await?;
        std::fs::remove_file(&at).map_err(|error| fault("remove", &at, &error))?;
    }
    Ok(())
}

/// Encodes the sound of a planned run and puts it where the finish and the edge find it. Whoever comes too late for the finish
/// leaves nothing behind.
pub(super) async fn put_sound(
    context: &Context,
    task: &TranscodeTask,
    ingested: &Ingested,
    plan: &Plan,
) -> Result<(), Failure> {
    let run = context.store.run(&task.run);
    let before = cpu_millis();
    let work = work(context, task, ingested, plan);
    package::encode_sounds(&work).await?;
    let mut files = BTreeMap::new();
    for name in package::sound_files(plan).into_iter().flat_map(|(_, names)| names) {
        let at = context.scratch.join(&name);
        let (_, sha256) = verify::digest(&at).map_err(|error| fault("read", &at, &error))?;
        run.put_file(&workspace::path(&format!("sound/{name}"))?, &at).await.map_err(|error| stored(&error))?;
        files.insert(name, sha256);
    }
    workspace::write(&run, SOUND, &StoredSound { files, cpu_millis: cpu_millis() - before }).await?;
    if plan.grows() {
        put_heads(&run, &work, &package::join_sounds(plan, &context.scratch)?).await?;
    }
    if workspace::find_plan(&run).await?.is_none() {
        run.delete_all().await.map_err(|error| stored(&error))?;
    }
    Ok(())
}

fn work<'a>(context: &'a Context, task: &TranscodeTask, ingested: &'a Ingested, plan: &'a Plan) -> Work<'a> {
    Work { driver: &context.driver, ingested, content: task.source, plan, chunks: &[], scratch: &context.scratch }
}

async fn put_heads(run: &Run, work: &Work<'_>, sounds: &Sounds) -> Result<(), Failure> {
    let plan = work.plan;
    let target_seconds = hls::target_seconds(segments::planned(plan), plan.clock.timescale);
    let chunks = u32::try_from(plan.chunks.len()).map_err(internal)?;
    for (index, rendition) in plan.renditions.iter().enumerate().filter(|(_, r)| r.settings.packaging.hls) {
        let folder: PathBuf = work.scratch.join(format!("grown-{index}"));
        std::fs::create_dir_all(&folder).map_err(|error| fault("create", &folder, &error))?;
        let tracks = package::write_sound(&folder, plan, rendition, sounds)?;
        let mut files = Vec::new();
        for track in &tracks {
            let at = folder.join(track.file.as_str());
            let (size, sha256) = verify::digest(&at).map_err(|error| fault("read", &at, &error))?;
            let path = file_path(&rendition.key, &track.file);
            run.put_file(&path, &at).await.map_err(|error| stored(&error))?;
            files.push(TreeFile { path: track.file.clone(), size, mime: "audio/mp4".to_owned(), sha256 });
        }
        let manifest = RenditionManifest { files, tracks, ..package::unfinished(plan, rendition, work.content) };
        workspace::put(run, &head_path(&rendition.key), &GrowingHead { manifest, chunks, target_seconds }).await?;
        std::fs::remove_dir_all(&folder).map_err(|error| fault("remove", &folder, &error))?;
    }
    Ok(())
}

/// The sound that the plan's pod left, and what it cost; `None` when it is not there (yet) or not what its marker says.
pub(super) async fn take_sound(run: &Run, plan: &Plan, scratch: &Path) -> Result<Option<(Sounds, u64)>, Failure> {
    let Some(done) = workspace::read::<StoredSound>(run, SOUND).await? else { return Ok(None) };
    for name in package::sound_files(plan).into_iter().flat_map(|(_, names)| names) {
        let Some(expected) = done.files.get(&name) else { return Ok(None) };
        let to = scratch.join(&name);
        run.get_file(&workspace::path(&format!("sound/{name}"))?, &to).await.map_err(|error| stored(&error))?;
        let (_, sha256) = verify::digest(&to).map_err(|error| fault("read", &to, &error))?;
        if sha256 != *expected {
            return Ok(None);
        }
    }
    Ok(Some((package::join_sounds(plan, scratch)?, done.cpu_millis)))
}
