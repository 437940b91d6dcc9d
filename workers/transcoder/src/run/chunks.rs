//! Chunks side by side, each with a marker when it is done.

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use videocloud_protocol::failure::Failure;

use super::display::Display;
use super::live::Live;
use super::local;
use crate::encode::chunk::{self, ChunkDone};
use crate::encode::{Driver, LocalSource, verify, video};
use crate::plan::{ChunkPlan, Plan};

/// The folder of chunk number `index`.
pub(super) fn folder(work: &Path, index: u32) -> PathBuf {
    work.join(format!("chunk-{index}"))
}

/// Names of folders of this process alone begin so; others' are left over from runs that were killed.
const ATTEMPT: &str = "attempt-";

/// Removes what processes made for themselves alone.
pub(super) fn tidy(work: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(work).map_err(|error| local("read", work, error))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(ATTEMPT) {
            // What still writes there may add a file meanwhile; the next run removes the rest.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// A new folder for what this process makes, in place of those of earlier ones.
pub(super) fn scratch(work: &Path) -> Result<PathBuf, Failure> {
    tidy(work)?;
    let scratch = work.join(format!("{ATTEMPT}{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(|error| local("create", &scratch, error))?;
    Ok(scratch)
}

/// Leaves what an earlier run of the same plan finished, and says so; throws away what belongs to another plan.
pub(super) fn keep_if_same(work: &Path, plan: &Plan) -> Result<bool, Failure> {
    let path = work.join("plan.json");
    let text = serde_json::to_vec(plan).map_err(|error| local("write", &path, error))?;
    if std::fs::read(&path).is_ok_and(|found| found == text) {
        return Ok(true);
    }
    for entry in std::fs::read_dir(work).map_err(|error| local("read", work, error))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("chunk-") {
            std::fs::remove_dir_all(entry.path()).map_err(|error| local("remove", &entry.path(), error))?;
        }
    }
    replace(&path, &text)?;
    Ok(false)
}

/// The encoding of all chunks.
pub(super) struct Encoding<'a> {
    pub(super) driver: &'a Driver,
    pub(super) source: &'a LocalSource,
    pub(super) plan: &'a Plan,
    pub(super) work: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) display: &'a Display,
    pub(super) live: &'a Live<'a>,
}

impl Encoding<'_> {
    /// Encodes every chunk that is not done yet, `workers` at a time.
    pub(super) async fn all(&self, workers: usize) -> Result<Vec<ChunkDone>, Failure> {
        self.display.encoding(self.plan);
        let encodes = self.plan.chunks.iter().map(|chunk| self.one(chunk));
        let mut done: Vec<ChunkDone> =
            futures::stream::iter(encodes).buffer_unordered(workers.max(1)).try_collect().await?;
        done.sort_by_key(|chunk| chunk.index);
        Ok(done)
    }

    async fn one(&self, chunk: &ChunkPlan) -> Result<ChunkDone, Failure> {
        let folder = folder(self.work, chunk.index);
        let done = match finished(&folder, self.plan) {
            Some(done) => {
                self.display.frames(chunk.index, done.pieces.first().map_or(0, |piece| piece.frames));
                done
            }
            None => {
                let attempt = self.scratch.join(format!("chunk-{}", chunk.index));
                std::fs::create_dir_all(&attempt).map_err(|error| local("create", &attempt, error))?;
                let seen = |frames| self.display.frames(chunk.index, frames);
                let done = chunk::encode(self.driver, self.source, self.plan, chunk, &attempt, seen).await?;
                let marker = serde_json::to_vec(&done).map_err(|error| local("write", &attempt, error))?;
                replace(&attempt.join("done.json"), &marker)?;
                if folder.exists() {
                    std::fs::remove_dir_all(&folder).map_err(|error| local("replace", &folder, error))?;
                }
                std::fs::rename(&attempt, &folder).map_err(|error| local("move", &attempt, error))?;
                done
            }
        };
        self.display.chunk_done();
        self.live.chunk_done(chunk.index)?;
        Ok(done)
    }
}

/// The marker of a chunk whose pieces still are what it says.
fn finished(folder: &Path, plan: &Plan) -> Option<ChunkDone> {
    let done: ChunkDone = serde_json::from_slice(&std::fs::read(folder.join("done.json")).ok()?).ok()?;
    let whole = |(index, piece): (usize, &verify::Piece)| {
        verify::digest(&folder.join(video::piece_name(index))).is_ok_and(|(_, sha256)| sha256 == piece.sha256)
    };
    (done.pieces.len() == plan.renditions.len() && done.pieces.iter().enumerate().all(whole)).then_some(done)
}

/// Writes a file whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = std::fs::File::create(&partial)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|error| local("write", path, error))
}
