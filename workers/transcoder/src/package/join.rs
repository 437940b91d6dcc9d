//! Pieces of one rendition become one track, exact in ticks by construction.
//!
//! Presentation times come from the plan's chunk starts plus each piece's own times. Decoding times are the same times sorted,
//! which is the canonical form with signed composition offsets: increasing over every join, and their sum is the duration.

use std::path::{Path, PathBuf};

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::mp4::{self, Fragmented, Sample, TrackHead};
use crate::plan::{ChunkPlan, Plan, Timing, ladder::Picture};

/// A joined track: its head and all its samples in decoding order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// What it is.
    pub head: TrackHead,
    /// The samples; [`Sample::file`] counts `sources`.
    pub samples: Vec<Sample>,
    /// The files.
    pub sources: Vec<PathBuf>,
}

impl Joined {
    /// Tick where the last sample ends.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.samples.last().map_or(0, |last| last.decode + i64::from(last.duration))
    }
}

fn wrong(why: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::BadInput, reason::VALIDATION_FAILED, format!("failed to join the chunks: {why}"))
}

/// Joins the `pieces` of one rendition, one file per chunk of the plan.
///
/// # Errors
/// `ValidationFailed` when the pieces do not fit together.
pub fn video(plan: &Plan, picture: &Picture, pieces: &[PathBuf]) -> Result<Joined, Failure> {
    if pieces.len() != plan.chunks.len() {
        return Err(wrong(format!("{} pieces for {} chunks", pieces.len(), plan.chunks.len())));
    }
    let mut whole: Option<Joined> = None;
    for (number, (path, chunk)) in (0u32..).zip(pieces.iter().zip(&plan.chunks)) {
        let mut piece = self::piece(plan, picture, chunk, path)?;
        piece.samples.iter_mut().for_each(|sample| sample.file = number);
        match &mut whole {
            None => whole = Some(piece),
            Some(whole) if whole.head != piece.head => {
                return Err(wrong(format!("chunk {} was encoded with another configuration", chunk.index)));
            }
            Some(whole) if piece.samples.first().is_some_and(|first| first.decode != whole.end()) => {
                return Err(wrong(format!("chunk {} does not begin where the one before it ends", chunk.index)));
            }
            Some(whole) => {
                whole.samples.extend(piece.samples);
                whole.sources.extend(piece.sources);
            }
        }
    }
    whole.ok_or_else(|| wrong("there are none"))
}

/// One chunk's piece on the clock of the whole: where it is in the joined track does not depend on any other piece.
///
/// # Errors
/// `ValidationFailed` when it is not of this plan.
pub fn piece(plan: &Plan, picture: &Picture, chunk: &ChunkPlan, path: &Path) -> Result<Joined, Failure> {
    let lead = plan.lead();
    let (origin, planned_end) = match plan.timing {
        Timing::Exact { start, .. } => (start, Some(chunk.end - start + lead)),
        Timing::Grid { .. } | Timing::SoundOnly => (0, None),
    };
    let Fragmented { entry, timescale, mut samples, .. } = mp4::read(path, 0).map_err(wrong)?;
    if timescale != plan.clock.timescale {
        return Err(wrong("the clocks differ"));
    }
    let first = samples.iter().map(|sample| sample.present).min().ok_or_else(|| wrong("a piece is empty"))?;
    let offset = lead + (chunk.start - origin) - first;
    samples.iter_mut().for_each(|sample| sample.present += offset);
    let mut times: Vec<i64> = samples.iter().map(|sample| sample.present).collect();
    times.sort_unstable();
    if times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(wrong("two frames are at one time"));
    }
    let last = times.last().copied().unwrap_or(0);
    let usual = match times.as_slice() {
        [.., before, last] => last - before,
        _ if picture.rate_milli > 0 => plan.clock.seconds(1) * 1000 / i64::from(picture.rate_milli),
        _ => plan.clock.seconds(1) / 25,
    };
    let end = planned_end.unwrap_or(last + usual);
    let nexts = times.iter().skip(1).copied().chain([end.max(last + 1)]);
    for ((sample, decode), next) in samples.iter_mut().zip(&times).zip(nexts) {
        sample.decode = *decode;
        sample.duration = u32::try_from(next - decode).map_err(|_| wrong("a frame lasts too long"))?;
    }
    let head = TrackHead { entry, timescale, language: "und".into(), skip: 0 };
    Ok(Joined { head, samples, sources: vec![path.to_path_buf()] })
}

/// A sound track that was encoded whole.
///
/// # Errors
/// `ValidationFailed` when its blocks do not follow each other.
pub fn sound(path: &Path, language: &str) -> Result<Joined, Failure> {
    let file = mp4::read(path, 0).map_err(wrong)?;
    let mut decode = 0;
    let mut samples = file.samples;
    for sample in &mut samples {
        // The muxer leaves no gaps behind aresample's async; were there one, times would tell.
        sample.decode = decode;
        sample.present = decode;
        decode += i64::from(sample.duration);
    }
    if samples.is_empty() {
        return Err(wrong("a sound track has no samples"));
    }
    let head =
        TrackHead { entry: file.entry, timescale: file.timescale, language: language.to_owned(), skip: file.skip };
    Ok(Joined { head, samples, sources: vec![path.to_path_buf()] })
}
