//! A picture track that is written while later chunks are still encoded: the same bytes as the finished one, from the front.
//!
//! What a chunk adds depends on the plan and on its own piece alone (times, shift and fragment numbers are planned), so the
//! process that encodes it can make its part, and whoever has the parts before it knows where it goes.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use videocloud_protocol::failure::Failure;
use videocloud_protocol::rendition::{Track, TreePath};

use super::{internal, join, path, segments, tracks};
use crate::disk::{fault, mp4_fault};
use crate::mp4::cmaf::{self, Part, Place, Written};
use crate::plan::ladder::RenditionPlan;
use crate::plan::{ChunkPlan, Plan};

/// A track that grows in a file.
#[derive(Debug)]
pub struct Growing {
    file: PathBuf,
    track: Option<Track>,
    place: Place,
}

impl Growing {
    /// A track that will grow in `folder`, under the name it has when it is finished.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { file: folder.join("video.mp4"), track: None, place: Place::default() }
    }

    /// What there is of it.
    #[must_use]
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// Adds the `piece` of the next chunk. What an earlier try wrote there is written again, and is the same.
    ///
    /// # Errors
    /// The [`Failure`] of a piece that is not of the plan, or of the disk.
    pub fn add(
        &mut self,
        plan: &Plan,
        rendition: &RenditionPlan,
        chunk: &ChunkPlan,
        piece: &Path,
    ) -> Result<(), Failure> {
        let Some(picture) = &rendition.picture else { return Ok(()) };
        let joined = join::piece(plan, picture, chunk, piece)?;
        let shift = plan.shift(rendition);
        let unwritten = |error: std::io::Error| fault("write", &self.file, &error);
        let mut file =
            std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.file).map_err(unwritten)?;
        if self.place.offset == 0 {
            let init = cmaf::init(&joined.head, shift);
            file.write_all(&init).map_err(unwritten)?;
            self.place.offset = init.len() as u64;
        }
        let init_size = self.track.as_ref().map_or(self.place.offset, |track| track.init_size);
        file.seek(SeekFrom::Start(self.place.offset)).map_err(unwritten)?;
        let mut out = std::io::BufWriter::with_capacity(256 * 1024, file);
        let written = part(plan, &joined, shift, self.place, &mut out, &self.file)?;
        out.flush().map_err(unwritten)?;
        self.place.offset = written.segments.last().map_or(self.place.offset, |last| last.offset + last.size);
        self.place.groups += u32::try_from(written.keyframes.len()).map_err(internal)?;
        match &mut self.track {
            Some(track) => {
                track.segments.extend(written.segments);
                track.keyframes.extend(written.keyframes);
            }
            None => {
                let name: TreePath = path("video")?;
                let mut track = tracks::describe(&name, &joined, path("video.mp4")?, Written { init_size, ..written })?;
                cap(&mut track, rendition);
                self.track = Some(track);
            }
        }
        Ok(())
    }
}

/// Writes to `to` what `chunk` adds to the track of `rendition`, whatever the other chunks are; of the first, behind the track's
/// head. Answers the track as this chunk has it, with places in `to`; `None` without a picture.
///
/// # Errors
/// As [`Growing::add`].
pub fn alone(
    plan: &Plan,
    rendition: &RenditionPlan,
    chunk: &ChunkPlan,
    piece: &Path,
    to: &Path,
) -> Result<Option<Track>, Failure> {
    let Some(picture) = &rendition.picture else { return Ok(None) };
    let joined = join::piece(plan, picture, chunk, piece)?;
    let shift = plan.shift(rendition);
    let init = if chunk.index == 0 { cmaf::init(&joined.head, shift) } else { Vec::new() };
    let before = plan.chunks.iter().take_while(|earlier| earlier.index < chunk.index);
    let groups = u32::try_from(before.map(|earlier| earlier.keys.len()).sum::<usize>()).map_err(internal)?;
    let init_size = init.len() as u64;
    let unwritten = |error: std::io::Error| fault("write", to, &error);
    let mut out = std::io::BufWriter::with_capacity(256 * 1024, std::fs::File::create(to).map_err(unwritten)?);
    out.write_all(&init).map_err(unwritten)?;
    let written = part(plan, &joined, shift, Place { offset: init_size, groups }, &mut out, to)?;
    out.flush().map_err(unwritten)?;
    let mut track = tracks::describe(&path("video")?, &joined, path("video.mp4")?, Written { init_size, ..written })?;
    cap(&mut track, rendition);
    Ok(Some(track))
}

/// The rates of the whole are not known yet; the ceiling is.
fn cap(track: &mut Track, rendition: &RenditionPlan) {
    track.bits_per_second = rendition.settings.rate.max_bits_per_second;
    track.peak_bits_per_second = rendition.settings.rate.max_bits_per_second;
}

/// Writes what one chunk adds to its track, which begins at `place`.
fn part(
    plan: &Plan,
    joined: &join::Joined,
    shift: u32,
    place: Place,
    out: &mut impl Write,
    file: &Path,
) -> Result<Written, Failure> {
    // A chunk begins with a segment, so its segments are those of the whole.
    let ranges = segments::video(joined, plan.segment_seconds, plan.lead());
    let part = Part { picture: true, shift, samples: &joined.samples, sources: &joined.sources, segments: &ranges };
    cmaf::append(out, file, place, &part).map_err(|error| mp4_fault(&error))
}
