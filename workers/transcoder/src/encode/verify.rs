//! Is a piece what the plan says? Ticks are compared, not counts: a seek half a frame early keeps every count and shifts the
//! picture by one frame.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::disk::{fault, mp4_fault};
use crate::mp4::{self, Fragmented, Mp4Error};
use crate::plan::{ChunkPlan, Plan, Timing, grid, ladder::Picture, ticks_digest};

/// A verified piece: one rendition of one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Frames.
    pub frames: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// SHA-256 of the decoder configuration, hex: equal over all chunks of a rendition.
    pub configuration: String,
}

/// Reads the piece at `path` and compares it with the plan.
///
/// # Errors
/// A [`Failure`] that says what differs: `BadInput` when the source seems to be at fault.
pub fn piece(path: &Path, plan: &Plan, chunk: &ChunkPlan, picture: &Picture) -> Result<Piece, Failure> {
    let wrong = |why: String| {
        let what = format!("failed to verify chunk {}: {why}", chunk.index);
        Failure::new(FailureClass::BadInput, reason::VALIDATION_FAILED, what)
    };
    let file = mp4::read(path, 0).map_err(|error| match error {
        Mp4Error::Io { .. } => mp4_fault(&error),
        Mp4Error::Malformed { .. } => wrong(error.to_string()),
    })?;
    let ticks = shown(&file);
    let first =
        ticks.first().copied().ok_or_else(|| wrong("it has no frames; the source may be cut off".to_owned()))?;
    if !file.samples.first().is_some_and(|sample| sample.key && sample.present == first) {
        return Err(wrong("its first frame is no keyframe".to_owned()));
    }
    let mut keys: Vec<i64> = file.samples.iter().filter(|s| s.key).map(|sample| sample.present - first).collect();
    keys.sort_unstable();
    let relative = || ticks.iter().map(|tick| tick - first);
    let planned_keys = if let Timing::Grid { .. } = plan.timing {
        let ticks: Vec<i64> = relative().collect();
        let every = (plan.stride / picture.keep_every.max(1)) as usize;
        grid::starts(&ticks, 0, plan.clock.seconds(plan.keyframe_seconds), every).iter().map(|i| ticks[*i]).collect()
    } else {
        let expected = chunk.expected.iter().find(|expected| expected.keep_every == picture.keep_every);
        let expected = expected.ok_or_else(|| wrong("the plan does not know this frame rate".to_owned()))?;
        if ticks.len() as u64 != expected.frames {
            return Err(wrong(format!("it has {} frames instead of {}", ticks.len(), expected.frames)));
        }
        if ticks_digest(relative()) != expected.ticks_sha256 {
            return Err(wrong("its frames are not at the planned times".to_owned()));
        }
        chunk.keys.clone()
    };
    if keys != planned_keys {
        return Err(wrong(format!(
            "it has {} keyframes that are not the {} planned ones",
            keys.len(),
            planned_keys.len()
        )));
    }
    let (bytes, sha256) = digest(path).map_err(|error| fault("read", path, &error))?;
    Ok(Piece {
        frames: ticks.len() as u64,
        bytes,
        sha256,
        configuration: hex::encode(Sha256::digest(file.entry.identity())),
    })
}

/// Presentation times in order.
fn shown(file: &Fragmented) -> Vec<i64> {
    let mut ticks: Vec<i64> = file.samples.iter().map(|sample| sample.present).collect();
    ticks.sort_unstable();
    ticks
}

/// Size and SHA-256 (hex) of a file.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = HashWriter(Sha256::new());
    let bytes = std::io::copy(&mut file, &mut hasher)?;
    Ok((bytes, hex::encode(hasher.0.finalize())))
}

struct HashWriter(Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
