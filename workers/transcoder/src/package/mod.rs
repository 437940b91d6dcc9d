//! The finish of a run: sound whole per track, chunks joined, tracks and files written, everything checked.
//!
//! Answers one folder and one manifest per rendition. Where the folders go (the store, or a folder on disk) is the business of
//! [`crate::task`] and [`crate::run`].

mod check;
pub mod grow;
pub mod join;
pub mod segments;
mod sprites;
mod tracks;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::ContentId;
use videocloud_protocol::rendition::{
    AudioSettings, Container, Progressive, Quality, RenditionManifest, Track, TreeFile, TreePath, VideoCodec,
};

use crate::disk::{fault, mp4_fault};
use crate::encode::{Driver, LocalSource, sound, still, text, verify};
use crate::ingest::Ingested;
use crate::mp4::progressive;
use crate::plan::{Plan, ladder::RenditionPlan};
use crate::probe;
pub use check::{Checks, TrackCheck};
use join::Joined;

/// Renditions that are finished at once: most of it is short programs and reading, of which one waits while another works.
const TOGETHER: usize = 2;

/// A finished rendition on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its manifest; attempt and time of publication are left to the publisher.
    pub manifest: RenditionManifest,
    /// The folder that holds its files under their tree paths.
    pub folder: PathBuf,
    /// What was checked.
    pub checks: Checks,
}

/// What a finish works on.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// How ffmpeg is run.
    pub driver: &'a Driver,
    /// The source on disk.
    pub ingested: &'a Ingested,
    /// Id of the source.
    pub content: ContentId,
    /// The plan.
    pub plan: &'a Plan,
    /// For each chunk, the folder with its verified pieces.
    pub chunks: &'a [PathBuf],
    /// Where everything is written.
    pub scratch: &'a Path,
}

pub(crate) fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to finish: {error}"))
}

fn path(text: &str) -> Result<TreePath, Failure> {
    text.parse().map_err(internal)
}

/// Finishes every rendition of the plan, with the sound of [`sounds`].
///
/// # Errors
/// The [`Failure`] of an encode, a join or a check.
pub async fn finish(work: Work<'_>, sounds: &Sounds) -> Result<Vec<Finished>, Failure> {
    let captions = captions(&work).await?;
    let keyframes = OnceLock::new();
    let all = (0..work.plan.renditions.len()).map(|index| rendition(&work, index, sounds, &captions, &keyframes));
    stream::iter(all).buffered(TOGETHER).try_collect().await
}

/// The sound of a source, by settings: every track in order.
pub type Sounds = HashMap<AudioSettings, Vec<Joined>>;

/// The distinct settings of sound among the renditions of `plan`, and the name of the file of each track.
#[must_use]
pub fn sound_files(plan: &Plan) -> Vec<(AudioSettings, Vec<String>)> {
    let mut files: Vec<(AudioSettings, Vec<String>)> = Vec::new();
    for settings in plan.renditions.iter().filter_map(|rendition| rendition.settings.audio) {
        if files.iter().all(|(known, _)| *known != settings) {
            let name = |number| format!("sound-{}-{number}.mp4", files.len());
            let names = (0..plan.facts.audio.len()).map(name).collect();
            files.push((settings, names));
        }
    }
    files
}

/// Encodes every audio track once per distinct settings, however many renditions share them, into the files of [`sound_files`].
/// Needs no chunks.
///
/// # Errors
/// The [`Failure`] of an encode.
pub async fn encode_sounds(work: &Work<'_>) -> Result<(), Failure> {
    let source = &work.ingested.source;
    for (settings, names) in sound_files(work.plan) {
        for (number, (track, name)) in work.plan.facts.audio.iter().zip(names).enumerate() {
            let args = sound::args(work.plan, track, &settings, source, &name);
            let what = format!("encode audio track {}", number + 1);
            work.driver.run(args, work.scratch, &source.path, &what, |_| {}).await?;
        }
    }
    Ok(())
}

/// Reads what [`encode_sounds`] left in `folder`.
///
/// # Errors
/// The [`Failure`] of a file that is no sound track.
pub fn join_sounds(plan: &Plan, folder: &Path) -> Result<Sounds, Failure> {
    let mut sounds = Sounds::new();
    for (settings, names) in sound_files(plan) {
        let tracks = plan.facts.audio.iter().zip(names);
        let joined = tracks.map(|(track, name)| join::sound(&folder.join(name), &track.language));
        sounds.insert(settings, joined.collect::<Result<_, _>>()?);
    }
    Ok(sounds)
}

/// Encodes the sound of a plan.
///
/// # Errors
/// The [`Failure`] of an encode.
pub async fn sounds(work: &Work<'_>) -> Result<Sounds, Failure> {
    encode_sounds(work).await?;
    join_sounds(work.plan, work.scratch)
}

/// The manifest of a rendition of which nothing is there yet.
#[must_use]
pub fn unfinished(plan: &Plan, rendition: &RenditionPlan, content: ContentId) -> RenditionManifest {
    RenditionManifest {
        key: rendition.key,
        source: content,
        settings: rendition.settings.clone(),
        media: plan.facts.summary(),
        attempt: String::new(),
        files: Vec::new(),
        tracks: Vec::new(),
        progressive: None,
        poster: None,
        sprites: None,
        quality: None,
        duration_millis: 0,
        frames: 0,
        created: 0,
    }
}

/// Every text track as a WebVTT file, if any rendition wants them.
async fn captions(work: &Work<'_>) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut files = Vec::new();
    if work.plan.renditions.iter().any(|rendition| rendition.settings.captions) {
        for (number, track) in work.plan.facts.text.iter().enumerate() {
            let name = format!("captions-{number}.vtt");
            let source = &work.ingested.source;
            let what = format!("read text track {}", number + 1);
            let args = text::args(track, source, &name);
            match work.driver.run(args, work.scratch, &source.path, &what, |_| {}).await {
                Ok(_) => files.push((track.language.clone(), work.scratch.join(name))),
                // A film without its words is better than none.
                Err(failure) if failure.class == FailureClass::BadInput => {
                    tracing::warn!(%failure, "a text track is left out");
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(files)
}

/// The sound tracks of a rendition under their names.
fn sound_of(rendition: &RenditionPlan, sounds: &Sounds) -> Result<Vec<(TreePath, Joined)>, Failure> {
    let tracks = rendition.settings.audio.as_ref().and_then(|audio| sounds.get(audio)).into_iter().flatten();
    let named = |(number, track): (usize, &Joined)| Ok((path(&format!("audio-{}", number + 1))?, track.clone()));
    tracks.enumerate().map(named).collect()
}

/// Writes the sound tracks of a rendition into `folder`, as they will be when all is finished.
///
/// # Errors
/// The [`Failure`] of the disk.
pub fn write_sound(
    folder: &Path,
    plan: &Plan,
    rendition: &RenditionPlan,
    sounds: &Sounds,
) -> Result<Vec<Track>, Failure> {
    tracks::write(folder, &sound_of(rendition, sounds)?, plan, rendition)
}

async fn rendition(
    work: &Work<'_>,
    index: usize,
    sounds: &Sounds,
    captions: &[(String, PathBuf)],
    keyframes: &OnceLock<Vec<f64>>,
) -> Result<Finished, Failure> {
    let plan = work.plan;
    let rendition = &plan.renditions[index];
    let settings = &rendition.settings;
    let folder = work.scratch.join(format!("rendition-{index}"));
    std::fs::create_dir_all(&folder).map_err(|error| fault("create", &folder, &error))?;

    let mut joined: Vec<(TreePath, Joined)> = Vec::new();
    if let Some(picture) = &rendition.picture {
        let name = crate::encode::video::piece_name(index);
        let pieces: Vec<PathBuf> = work.chunks.iter().map(|chunk| chunk.join(&name)).collect();
        joined.push((path("video")?, join::video(plan, picture, &pieces)?));
    }
    joined.extend(sound_of(rendition, sounds)?);
    check::complete(work, &joined)?;
    let mut tracks = tracks::write(&folder, &joined, plan, rendition)?;
    let mut checks = check::tracks(work, &folder, &joined, rendition, keyframes).await?;
    for (number, (language, file)) in captions.iter().enumerate().filter(|_| settings.captions) {
        tracks.push(tracks::captions(&folder, number, language, file, &tracks)?);
    }

    let mut extra: Vec<(TreePath, &str)> = Vec::new();
    let mut manifest_progressive = None;
    if let Some(container) = settings.packaging.file {
        let (extension, mime, brand) = match container {
            Container::Mp4 => ("mp4", "video/mp4", *b"isom"),
            Container::ThreeGp => ("3gp", "video/3gpp", *b"3gp6"),
            Container::WebM => {
                let message = "failed to finish: a WebM file cannot be written; ask for MP4";
                return Err(Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message));
            }
        };
        let file = path(&format!("file.{extension}"))?;
        let to = folder.join(file.as_str());
        let inputs: Vec<progressive::Input<'_>> = joined
            .iter()
            .map(|(_, track)| progressive::Input {
                head: &track.head,
                samples: &track.samples,
                sources: &track.sources,
            })
            .collect();
        progressive::write(&to, brand, &inputs).map_err(|error| mp4_fault(&error))?;
        check::progressive(work, &to, &joined, &mut checks).await?;
        manifest_progressive = Some(Progressive { file: file.clone(), extension: extension.to_owned() });
        extra.push((file, mime));
    }
    let poster = if settings.packaging.poster { poster(work, rendition, &folder).await? } else { None };
    extra.extend(poster.iter().map(|path| (path.clone(), "image/jpeg")));

    let duration_millis = joined.iter().map(|(_, track)| check::millis(track)).max().unwrap_or(0);
    let sprites = match (&settings.packaging.sprite, &rendition.picture) {
        (Some(asked), Some(picture)) => {
            let (driver, source) = sprite_source(work, &folder, settings.video);
            Some(sprites::make(&driver, &folder, &source, picture, asked, duration_millis).await?)
        }
        _ => None,
    };
    let sheets = sprites.iter().flat_map(|sprites| &sprites.sheets);
    extra.extend(sheets.map(|sheet| (sheet.clone(), "image/jpeg")));
    let files = files(&folder, &tracks, &extra)?;
    let manifest = RenditionManifest {
        files,
        tracks,
        progressive: manifest_progressive,
        poster,
        sprites,
        quality: rendition.picture.is_some().then(|| Quality {
            crf: rendition.crf(),
            sample_vmaf_milli: rendition.tuned.map(|tuned| tuned.vmaf_milli),
            worst_border_vmaf_milli: checks.borders.iter().map(|border| border.worst_vmaf_milli).min(),
        }),
        duration_millis,
        frames: joined
            .first()
            .filter(|_| rendition.picture.is_some())
            .map_or(0, |(_, video)| video.samples.len() as u64),
        ..unfinished(plan, rendition, work.content)
    };
    Ok(Finished { manifest, folder, checks })
}

/// What thumbnails are taken from: the finished picture, unless the codec is one that the pinned build does not decode.
fn sprite_source(work: &Work<'_>, folder: &Path, codec: VideoCodec) -> (Driver, LocalSource) {
    match codec {
        VideoCodec::Av1 if work.driver.tools.vmaf.is_none() => (work.driver.clone(), work.ingested.source.clone()),
        codec => {
            let source = LocalSource { path: folder.join("video.mp4"), container: probe::Container::Mov };
            let name = if codec == VideoCodec::Av1 { "av1" } else { "" };
            (work.driver.decoding(name), source)
        }
    }
}

/// A picture from where the settings say, or the first one where that cannot be sought.
async fn poster(work: &Work<'_>, rendition: &RenditionPlan, folder: &Path) -> Result<Option<TreePath>, Failure> {
    const NAME: &str = "poster.jpg";
    let source = &work.ingested.source;
    let percent = i64::from(rendition.settings.packaging.poster_at_percent.min(100));
    let wanted = i64::try_from(work.plan.facts.duration_millis.unwrap_or(0)).unwrap_or(0) * 10 * percent;
    for micros in [wanted, 0] {
        let Some(args) = still::poster(work.plan, rendition, source, micros, NAME) else { return Ok(None) };
        let driver = work.driver.reading(work.plan.facts.video.as_ref());
        driver.run(args, folder, &source.path, "make the poster", |_| {}).await?;
        // Beyond the last picture nothing is written, and that is no error to ffmpeg.
        if folder.join(NAME).exists() {
            return path(NAME).map(Some);
        }
    }
    Ok(None)
}

/// Every file with size and digest.
fn files(folder: &Path, tracks: &[Track], extra: &[(TreePath, &str)]) -> Result<Vec<TreeFile>, Failure> {
    let of_tracks = tracks.iter().map(|track| (track.file.clone(), tracks::mime(track)));
    of_tracks
        .chain(extra.iter().map(|(file, mime)| (file.clone(), *mime)))
        .map(|(file, mime)| {
            let at = folder.join(file.as_str());
            let (size, sha256) = verify::digest(&at).map_err(|error| fault("read", &at, &error))?;
            Ok(TreeFile { path: file, size, mime: mime.to_owned(), sha256 })
        })
        .collect()
}
