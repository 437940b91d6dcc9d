//! Files of a run in the store.

use std::path::Path;

use serde::{Deserialize, Serialize};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::TreePath;
use videocloud_store::{Run, StoreError};

use crate::disk::fault;
use crate::encode::chunk::ChunkDone;
use crate::encode::{verify, video};
use crate::package::internal;
use crate::plan::Plan;

/// A plan with what it cost.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredPlan {
    pub(super) plan: Plan,
    pub(super) cpu_millis: u64,
}

/// A chunk's marker with what it cost.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredChunk {
    pub(super) done: ChunkDone,
    pub(super) cpu_millis: u64,
}

/// What a store's error means for the work.
pub(super) fn stored(error: &StoreError) -> Failure {
    let class = error.class();
    let reason = match class {
        FailureClass::StoreFull => reason::STORE_FULL,
        FailureClass::Resources => reason::SCRATCH_FULL,
        _ => reason::INTERNAL,
    };
    Failure::new(class, reason, error.to_string())
}

pub(super) fn path(text: &str) -> Result<TreePath, Failure> {
    text.parse().map_err(internal)
}

fn piece(chunk: u32, rendition: usize) -> Result<TreePath, Failure> {
    path(&format!("chunks/{chunk}/{}", video::piece_name(rendition)))
}

pub(super) async fn read<T: serde::de::DeserializeOwned>(run: &Run, at: &str) -> Result<Option<T>, Failure> {
    let Some(bytes) = run.get(&path(at)?).await.map_err(|error| stored(&error))? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(internal)
}

pub(super) async fn write<T: Serialize>(run: &Run, at: &str, value: &T) -> Result<(), Failure> {
    put(run, &path(at)?, value).await
}

pub(super) async fn put<T: Serialize>(run: &Run, at: &TreePath, value: &T) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(internal)?;
    run.put(at, bytes).await.map_err(|error| stored(&error))
}

pub(super) async fn read_plan(run: &Run) -> Result<StoredPlan, Failure> {
    find_plan(run).await?.ok_or_else(|| internal("the run has no plan; its plan step must run first"))
}

pub(super) async fn find_plan(run: &Run) -> Result<Option<StoredPlan>, Failure> {
    read(run, "plan.json").await
}

/// What an earlier try left of the same plan, before rate factors were chosen: chunks may be under way by it. What was made by
/// another plan (its order named other chunks) or another version is of no use and goes.
pub(super) async fn planned(run: &Run, plan: &Plan) -> Result<Option<StoredPlan>, Failure> {
    let found = run.get(&path("plan.json")?).await.map_err(|error| stored(&error))?;
    let Some(found) = found else { return Ok(None) };
    match serde_json::from_slice::<StoredPlan>(&found) {
        Ok(found) if found.plan.untuned() == *plan => Ok(Some(found)),
        Ok(_) | Err(_) => {
            run.delete_all().await.map_err(|error| stored(&error))?;
            Ok(None)
        }
    }
}

pub(super) async fn write_plan(run: &Run, plan: &StoredPlan) -> Result<(), Failure> {
    write(run, "plan.json", plan).await
}

pub(super) async fn read_marker(run: &Run, chunk: u32) -> Result<Option<StoredChunk>, Failure> {
    read(run, &format!("chunks/{chunk}/done.json")).await
}

/// Puts the pieces, then the marker.
pub(super) async fn write_chunk(run: &Run, chunk: &StoredChunk, folder: &Path) -> Result<(), Failure> {
    for index in 0..chunk.done.pieces.len() {
        let from = folder.join(video::piece_name(index));
        run.put_file(&piece(chunk.done.index, index)?, &from).await.map_err(|error| stored(&error))?;
    }
    write(run, &format!("chunks/{}/done.json", chunk.done.index), chunk).await
}

/// Fetches the pieces of a finished chunk into `folder` and checks that they are what its marker says.
pub(super) async fn fetch_chunk(run: &Run, done: &ChunkDone, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| fault("create", folder, &error))?;
    for (index, expected) in done.pieces.iter().enumerate() {
        let to = folder.join(video::piece_name(index));
        run.get_file(&piece(done.index, index)?, &to).await.map_err(|error| stored(&error))?;
        let (_, sha256) = verify::digest(&to).map_err(|error| fault("read", &to, &error))?;
        if sha256 != expected.sha256 {
            return Err(internal(format!("chunk {} is not what its marker says", done.index)));
        }
    }
    Ok(())
}
