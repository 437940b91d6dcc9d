//! One chunk, from plan to verified pieces.

use std::path::Path;

use serde::{Deserialize, Serialize};
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::{Driver, LocalSource, errors, verify, video};
use crate::plan::{ChunkPlan, Plan};

/// The marker of a finished chunk: what its pieces are, so that any chunk can be redone alone and a join can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkDone {
    /// Which chunk.
    pub index: u32,
    /// Its pieces in the order of the plan's renditions.
    pub pieces: Vec<verify::Piece>,
}

/// Encodes `chunk` into `folder` and verifies every piece; `seen` hears the number of frames encoded.
///
/// A chunk whose times are not the planned ones is tried once more without seeking: some containers' indexes lie.
///
/// # Errors
/// The [`Failure`] of the encode or of the verification.
pub async fn encode(
    driver: &Driver,
    source: &LocalSource,
    plan: &Plan,
    chunk: &ChunkPlan,
    folder: &Path,
    seen: impl Fn(u64),
) -> Result<ChunkDone, Failure> {
    match attempt(driver, source, plan, chunk, folder, true, &seen).await {
        Err(failure) if failure.reason == reason::VALIDATION_FAILED && chunk.seek_micros.is_some() => {
            tracing::warn!(chunk = chunk.index, %failure, "trying again from the beginning of the source");
            attempt(driver, source, plan, chunk, folder, false, &seen).await
        }
        done => done,
    }
}

async fn attempt(
    driver: &Driver,
    source: &LocalSource,
    plan: &Plan,
    chunk: &ChunkPlan,
    folder: &Path,
    seek: bool,
    seen: &impl Fn(u64),
) -> Result<ChunkDone, Failure> {
    let args = video::args(plan, chunk, source, driver.threads, seek);
    let what = format!("encode chunk {}", chunk.index);
    let driver = driver.reading(plan.facts.video.as_ref());
    let ended = driver.run(args, folder, &source.path, &what, seen).await?;
    // After a seek, decoders complain of pictures before the border that refer to ones never read; those are cut away.
    if let Some(line) = errors::damage(&ended.stderr) {
        let message = format!("failed to {what}: the source is damaged ({line}); fetch it again");
        return Err(Failure::new(FailureClass::BadInput, reason::CORRUPT_MEDIA, message));
    }
    let mut pieces = Vec::with_capacity(plan.renditions.len());
    for (index, rendition) in plan.renditions.iter().enumerate() {
        let Some(picture) = &rendition.picture else { continue };
        pieces.push(verify::piece(&folder.join(video::piece_name(index)), plan, chunk, picture)?);
    }
    Ok(ChunkDone { index: chunk.index, pieces })
}
