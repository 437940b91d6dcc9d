//! Joined tracks become CMAF files and entries of the manifest.

use std::path::Path;

use videocloud_protocol::failure::Failure;
use videocloud_protocol::rendition::{Segment, Track, TrackKind, TreePath};

use super::join::Joined;
use super::{internal, path, segments};
use crate::disk::{fault, mp4_fault};
use crate::mp4::cmaf::{self, Written};
use crate::plan::{Plan, Timing, ladder::RenditionPlan};

/// Writes each track as `<name>.mp4` into `folder`. Sound is cut where the picture is.
pub(super) fn write(
    folder: &Path,
    joined: &[(TreePath, Joined)],
    plan: &Plan,
    rendition: &RenditionPlan,
) -> Result<Vec<Track>, Failure> {
    let mut tracks = Vec::with_capacity(joined.len());
    // Where the picture is planned the sound can be cut before the picture is there.
    let mut borders = matches!(plan.timing, Timing::Exact { .. }).then(|| segments::planned_borders(plan));
    for (name, track) in joined {
        let shift = if track.head.entry.is_video() { plan.shift(rendition) } else { 0 };
        let ranges = if track.head.entry.is_video() {
            let ranges = segments::video(track, plan.segment_seconds, plan.lead());
            borders = Some(segments::borders(track, &ranges));
            ranges
        } else {
            let borders = borders.get_or_insert_with(|| even_borders(track, plan.segment_seconds));
            segments::sound(track, borders)
        };
        let file = path(&format!("{name}.mp4"))?;
        let to = folder.join(file.as_str());
        let written = cmaf::write(&to, &track.head, shift, &track.samples, &track.sources, &ranges)
            .map_err(|error| mp4_fault(&error))?;
        tracks.push(describe(name, track, file, written)?);
    }
    Ok(tracks)
}

/// The manifest's entry for a track that was written to `file`.
pub(super) fn describe(name: &TreePath, track: &Joined, file: TreePath, written: Written) -> Result<Track, Failure> {
    let (mean, peak) = segments::bit_rates(&written.segments, track.head.timescale);
    let start = track.samples.first().map_or(0, |first| first.decode);
    Ok(Track {
        name: name.clone(),
        kind: kind(track),
        codec: track.head.entry.codec().ok_or_else(|| internal("the encoder's configuration is malformed"))?,
        file,
        init_size: written.init_size,
        timescale: track.head.timescale,
        start_ticks: u64::try_from(start).unwrap_or(0),
        segments: written.segments,
        keyframes: written.keyframes,
        bits_per_second: mean,
        peak_bits_per_second: peak,
    })
}

/// Borders of sound without picture.
fn even_borders(track: &Joined, seconds: u32) -> Vec<f64> {
    let end = track.end() / i64::from(track.head.timescale);
    (1..)
        .map(|n| n * i64::from(seconds.max(1)))
        .take_while(|border| *border < end)
        .map(|border| border as f64)
        .collect()
}

fn kind(track: &Joined) -> TrackKind {
    let entry = &track.head.entry;
    if entry.is_video() {
        let (width, height) = entry.size();
        let start = track.samples.first().map_or(0, |first| first.decode);
        let ticks = u64::try_from(track.end() - start).unwrap_or(0).max(1);
        let rate = track.samples.len() as u64 * 1000 * u64::from(track.head.timescale);
        TrackKind::Video {
            width: width.into(),
            height: height.into(),
            frame_rate_milli: u32::try_from((rate + ticks / 2) / ticks).unwrap_or(0),
        }
    } else {
        let (channels, sample_rate) = entry.sound();
        TrackKind::Audio { language: track.head.language.clone(), channels: channels.into(), sample_rate }
    }
}

/// Copies a WebVTT file into the tree; its one segment lasts as long as the first track.
pub(super) fn captions(
    folder: &Path,
    number: usize,
    language: &str,
    from: &Path,
    others: &[Track],
) -> Result<Track, Failure> {
    let name = path(&format!("captions-{}", number + 1))?;
    let file = path(&format!("{name}.vtt"))?;
    let size = std::fs::copy(from, folder.join(file.as_str())).map_err(|error| fault("copy", from, &error))?;
    let seconds = others.first().map_or(0.0, |track| {
        track.segments.iter().map(|segment| segment.ticks).sum::<u64>() as f64 / f64::from(track.timescale)
    });
    let ticks = (seconds * 1000.0).round() as u64;
    Ok(Track {
        name,
        kind: TrackKind::Captions { language: language.to_owned() },
        codec: "wvtt".to_owned(),
        file,
        init_size: 0,
        timescale: 1000,
        start_ticks: 0,
        segments: vec![Segment { offset: 0, size, ticks }],
        keyframes: Vec::new(),
        bits_per_second: 0,
        peak_bits_per_second: 0,
    })
}

/// MIME type of a track's file.
pub(super) fn mime(track: &Track) -> &'static str {
    match track.kind {
        TrackKind::Video { .. } => "video/mp4",
        TrackKind::Audio { .. } => "audio/mp4",
        TrackKind::Captions { .. } => "text/vtt",
    }
}
