//! The folder a run leaves: it can be put on any static web server as it is.
//!
//! ```text
//! <profile>.mp4   progressive file            hls/master.m3u8     hls/<profile>/<track>.m3u8
//! poster.jpg      thumbnails.vtt              dash/manifest.mpd   <profile>/<track>.mp4 (what both play, by byte ranges)
//! ```

use std::path::Path;

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::playlist::{Addressing, Presentation, Resource, Variant, dash, hls, thumbnails};
use videocloud_protocol::rendition::{RenditionSettings, TrackKind};

use super::chunks::replace;
use super::local;
use crate::package::Finished;
use crate::plan::Plan;

/// Names in the output that are not those of renditions.
const SHARED: [&str; 5] = ["hls", "dash", "poster.jpg", "report.json", thumbnails::INDEX];

fn refuse(why: String) -> Failure {
    Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, why)
}

/// `settings` without those that are there twice.
///
/// # Errors
/// `BadSpec` when two that differ, or one and something else in the output, have one name.
pub(super) fn distinct(settings: &[RenditionSettings]) -> Result<Vec<RenditionSettings>, Failure> {
    let mut distinct: Vec<RenditionSettings> = Vec::with_capacity(settings.len());
    for one in settings {
        let name = &one.name;
        if SHARED.contains(&name.as_str()) || thumbnails::sheet_number(name).is_some() {
            return Err(refuse(format!("failed to accept profile {name}: the output has something else of this name")));
        }
        match distinct.iter().find(|other| other.name == *name) {
            Some(other) if other == one => {}
            Some(_) => {
                let why = format!("failed to accept profile {name}: another that was asked for has the same name");
                return Err(refuse(why));
            }
            None => distinct.push(one.clone()),
        }
    }
    Ok(distinct)
}

/// Sees to it that `input` is none of the files that a run into `out` replaces.
///
/// # Errors
/// `BadSpec` when it is.
pub(super) fn spare(out: &Path, input: &Path, settings: &[RenditionSettings]) -> Result<(), Failure> {
    let Ok(inside) = input.strip_prefix(out) else { return Ok(()) };
    let first = inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let ours = |name: &str| {
        let rendition = |one: &RenditionSettings| name == one.name || stem(name) == one.name;
        name == super::WORK || SHARED.contains(&name) || settings.iter().any(rendition)
    };
    if first.is_some_and(|name| ours(&name)) {
        let (input, out) = (input.display(), out.display());
        return Err(refuse(format!("failed to write into {out}: {input} would be replaced; choose another folder")));
    }
    Ok(())
}

/// A file name without its last ending.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Removes what an earlier run into `out` left of the renditions of `plan` and of what stands for all.
pub(super) fn clear(out: &Path, plan: &Plan) -> Result<(), Failure> {
    let names = plan.renditions.iter().map(|rendition| out.join(&rendition.settings.name));
    let shared = SHARED.map(|name| out.join(name));
    let sheets = (1..).map(|number| out.join(thumbnails::sheet(number))).take_while(|sheet| sheet.exists());
    for stale in names.chain(shared).chain(sheets) {
        let removed = if stale.is_dir() { std::fs::remove_dir_all(&stale) } else { std::fs::remove_file(&stale) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(local("remove", &stale, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Moves the finished renditions into `out` and writes the playlists, each in place of what could be played so far.
pub(super) fn publish(out: &Path, finished: &[Finished]) -> Result<(), Failure> {
    for (index, rendition) in finished.iter().enumerate() {
        let manifest = &rendition.manifest;
        let folder = out.join(&manifest.settings.name);
        std::fs::create_dir_all(&folder).map_err(|error| local("create", &folder, error))?;
        for track in &manifest.tracks {
            rename(&rendition.folder.join(track.file.as_str()), &folder.join(track.file.as_str()))?;
        }
        if let Some(file) = &manifest.progressive {
            let to = out.join(format!("{}.{}", manifest.settings.name, file.extension));
            rename(&rendition.folder.join(file.file.as_str()), &to)?;
        }
        // The poster of the best rendition stands for all.
        if let Some(poster) = manifest.poster.as_ref().filter(|_| index == 0) {
            rename(&rendition.folder.join(poster.as_str()), &out.join("poster.jpg"))?;
        }
    }
    thumbnails(out, finished)?;
    playlists(out, finished)
}

/// The sprite sheets of the first rendition that has some, and their index.
fn thumbnails(out: &Path, finished: &[Finished]) -> Result<(), Failure> {
    let found = finished.iter().find_map(|rendition| Some((rendition, rendition.manifest.sprites.as_ref()?)));
    let Some((rendition, sprites)) = found else { return Ok(()) };
    for sheet in &sprites.sheets {
        rename(&rendition.folder.join(sheet.as_str()), &out.join(sheet.as_str()))?;
    }
    match thumbnails::index(&rendition.manifest, Addressing::ByteRanges) {
        Some(index) => replace(&out.join(thumbnails::INDEX), index.as_bytes()),
        None => Ok(()),
    }
}

fn playlists<'a>(out: &Path, finished: &'a [Finished]) -> Result<(), Failure> {
    let of = |wanted: fn(&Finished) -> bool| {
        let variants = finished.iter().filter(|rendition| wanted(rendition));
        let variant = |rendition: &'a Finished| {
            let manifest = &rendition.manifest;
            Variant { name: manifest.settings.name.as_str(), manifest }
        };
        Presentation::new(variants.map(variant).collect())
    };
    let with_hls = of(|rendition| rendition.manifest.settings.packaging.hls);
    if !with_hls.variants.is_empty() {
        write(out, &Resource::Master, &hls::master(&with_hls, Addressing::ByteRanges))?;
        for variant in &with_hls.variants {
            for track in &variant.manifest.tracks {
                let resource = Resource::Media { rendition: variant.name.to_owned(), track: track.name.clone() };
                write(out, &resource, &hls::media(variant.name, track, Addressing::ByteRanges))?;
                if !track.keyframes.is_empty() {
                    let resource =
                        Resource::Keyframes { rendition: variant.name.to_owned(), track: track.name.clone() };
                    write(out, &resource, &hls::keyframes(variant.name, track, Addressing::ByteRanges))?;
                }
            }
        }
    }
    let with_dash = of(|rendition| rendition.manifest.settings.packaging.dash);
    if !with_dash.variants.is_empty() {
        write(out, &Resource::Mpd, &dash::manifest(&with_dash, Addressing::ByteRanges))?;
    }
    Ok(())
}

pub(super) fn write(out: &Path, resource: &Resource, text: &str) -> Result<(), Failure> {
    let path = out.join(resource.to_string());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| local("create", folder, error))?;
    }
    replace(&path, text.as_bytes())
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|error| local("move", from, error))
}

/// Width and height of a finished rendition's picture.
pub(super) fn size(rendition: &Finished) -> Option<(u32, u32)> {
    rendition.manifest.tracks.iter().find_map(|track| match track.kind {
        TrackKind::Video { width, height, .. } => Some((width, height)),
        TrackKind::Audio { .. } | TrackKind::Captions { .. } => None,
    })
}
