//! From a stranger's file to a [`LocalSource`] and its facts: probe, and copy into MOV what cannot be sought exactly.
//!
//! MPEG streams and FLV are copied (not encoded) into MOV: its ticks are fine enough for 29.97 frames per second, those of
//! Matroska are not. Whether times are missing is looked up before the copy, which would invent them. A stream whose clock starts
//! anew in the middle, as recordings that were put one behind the other do, is copied onto one clock.

mod jumps;

use std::path::Path;

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::disk::mp4_fault;
use crate::encode::{Driver, LocalSource};
use crate::mp4;
use crate::plan::reads::ByteRange;
use crate::probe::{self, Access, Container, Packet, SourceFacts, access_args};

/// A source that is ready to be planned and encoded.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// The file.
    pub source: LocalSource,
    /// What it is.
    pub facts: SourceFacts,
}

impl Ingested {
    /// The ranges of the source that are no media, if it is an MP4 that was not copied: then chunks can be read in part.
    ///
    /// # Errors
    /// A `Transient` [`Failure`] when the file cannot be read.
    pub async fn heads(&self) -> Result<Option<Vec<ByteRange>>, Failure> {
        if self.source.container != Container::Mov || self.source.path.ends_with(COPY) {
            return Ok(None);
        }
        let path = self.source.path.clone();
        let heads = tokio::task::spawn_blocking(move || mp4::layout(&path)).await;
        let interrupted = |error: tokio::task::JoinError| {
            Failure::new(
                FailureClass::Transient,
                reason::INTERNAL,
                format!("failed to read the source's layout: {error}"),
            )
        };
        heads.map_err(interrupted)?.map_err(|error| mp4_fault(&error))
    }
}

/// File name of the copy in the scratch folder.
const COPY: &str = "source.mov";

/// Probes the file at `path`; a copy, where one is needed, is made in `scratch`.
///
/// # Errors
/// The [`Failure`] of the probe or of the copy.
pub async fn ingest(driver: &Driver, path: &Path, scratch: &Path) -> Result<Ingested, Failure> {
    let facts = probe::probe(&driver.tools, path, scratch, &driver.stop).await?;
    let container = probe::sniff_file(path).await?;
    let original = Ingested { source: LocalSource { path: path.to_path_buf(), container }, facts };
    match container {
        Container::Mov
        | Container::Matroska
        | Container::Avi
        | Container::Mp3
        | Container::Wav
        | Container::Flac
        | Container::Ogg => Ok(original),
        Container::MpegTs | Container::MpegPs | Container::Flv => {
            let times = packets(driver, &original, scratch).await?;
            if times.iter().any(|packet| packet.pts.is_none()) {
                return Ok(original);
            }
            let clock = if jumps::clock_jumps(driver, &original, &times, scratch).await? {
                tracing::info!("the source's clock jumps; what follows is put behind what came before");
                Clock::MadeOne
            } else {
                Clock::Kept
            };
            drop(times);
            match copy(driver, &original, clock, scratch).await {
                Ok(copied) => Ok(copied),
                Err(failure)
                    if matches!(failure.class, FailureClass::Interrupted | FailureClass::Resources)
                        || failure.reason == reason::LIMITS_EXCEEDED =>
                {
                    Err(failure)
                }
                Err(failure) => {
                    tracing::info!(%failure, "the source cannot be copied into MOV; it is read as it is");
                    Ok(original)
                }
            }
        }
    }
}

/// The packets of the video track; none without video.
///
/// # Errors
/// The [`Failure`] of ffprobe.
pub async fn packets(driver: &Driver, ingested: &Ingested, scratch: &Path) -> Result<Vec<Packet>, Failure> {
    let Some(video) = &ingested.facts.video else { return Ok(Vec::new()) };
    let source = &ingested.source;
    probe::packets(&driver.tools, &source.path, source.container, video.stream, scratch, &driver.stop).await
}

/// What a copy does with the source's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// Every time stays as it is.
    Kept,
    /// Steps back and leaps are taken out.
    MadeOne,
}

async fn copy(driver: &Driver, original: &Ingested, clock: Clock, scratch: &Path) -> Result<Ingested, Failure> {
    let mut args = vec!["-fflags".into(), "+genpts".into()];
    args.extend(access_args(Access::Source(original.source.container)));
    args.extend(["-i".into(), original.source.path.clone().into_os_string()]);
    let streams = original.facts.video.iter().map(|v| v.stream).chain(original.facts.audio.iter().map(|a| a.stream));
    for stream in streams {
        args.extend(["-map".into(), format!("0:{stream}").into()]);
    }
    if clock == Clock::Kept {
        args.push("-copyts".into());
    }
    args.extend(["-c", "copy", "-map_metadata", "-1", "-bitexact", "-f", "mov", COPY].map(Into::into));
    driver.run(args, scratch, &original.source.path, "copy the source into MOV", |_| {}).await?;
    let path = scratch.join(COPY);
    let mut facts = probe::probe(&driver.tools, &path, scratch, &driver.stop).await?;
    // What a person is told is the container that was given. Languages are lost with the metadata; tracks keep their order.
    facts.container.clone_from(&original.facts.container);
    for (copied, given) in facts.audio.iter_mut().zip(&original.facts.audio) {
        copied.language.clone_from(&given.language);
    }
    Ok(Ingested { source: LocalSource { path, container: Container::Mov }, facts })
}
