//! What a viewer gets: greys and times of every frame, as an ordinary ffmpeg decodes them.

use std::path::Path;
use std::process::Command;

use super::clips::{ffprobe, tools};

/// The grey of every frame that is shown, in order.
pub fn greys(file: &Path) -> Vec<u8> {
    let codec = ffprobe(file, "-select_streams v:0 -show_entries stream=codec_name -of csv=p=0");
    // The pinned build does not decode AV1.
    let av1 = codec.lines().any(|line| line.starts_with("av1"));
    let program = tools().vmaf.filter(|_| av1).unwrap_or(tools().ffmpeg);
    let mut command = Command::new(program);
    command.args(["-v", "error", "-nostdin", "-i"]).arg(file);
    command.args("-map 0:v:0 -fps_mode passthrough -vf scale=out_range=tv,format=yuv420p,extractplanes=y,crop=1:1:8:8 -f rawvideo -".split(' '));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The grey of one pixel of a picture.
pub fn grey_at(file: &Path, x: u32, y: u32) -> u8 {
    let mut command = Command::new(tools().ffmpeg);
    command.args(["-v", "error", "-nostdin", "-i"]).arg(file);
    let crop = format!("scale=out_range=tv,format=yuv420p,extractplanes=y,crop=1:1:{x}:{y}");
    let done = command.args(["-vf", &crop, "-frames:v", "1", "-f", "rawvideo", "-"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout[0]
}

/// Presentation times of the first video track, in order, in ticks from the first.
pub fn ticks(file: &Path) -> Vec<i64> {
    let text = ffprobe(file, "-select_streams v:0 -show_entries packet=pts,flags -of csv=p=0");
    let shown = text.lines().filter(|line| !line.contains('D'));
    let mut ticks: Vec<i64> = shown.filter_map(|line| line.split(',').next()?.parse().ok()).collect();
    ticks.sort_unstable();
    let first = ticks.first().copied().unwrap_or(0);
    ticks.iter().map(|tick| tick - first).collect()
}

/// Seconds of the first video frame.
pub fn first_picture(file: &Path) -> f64 {
    let text = ffprobe(file, "-select_streams v:0 -show_entries packet=pts_time -of csv=p=0");
    let times = text.lines().filter_map(|line| line.split(',').next()?.parse().ok());
    times.min_by(f64::total_cmp).expect("no picture at all")
}

/// Seconds from the start of the presentation to the first sound above a hundredth of full scale.
pub fn first_sound(file: &Path) -> f64 {
    let mut command = Command::new(tools().ffmpeg);
    command.args(["-v", "error", "-nostdin", "-i"]).arg(file);
    command.args("-map 0:a:0 -af aresample=async=1:first_pts=0 -ac 1 -ar 48000 -f s16le -".split(' '));
    let done = command.output().unwrap();
    let loud = |bytes: &[u8]| i16::from_le_bytes([bytes[0], bytes[1]]).unsigned_abs() > 327;
    let at = done.stdout.chunks_exact(2).position(loud).expect("no sound at all");
    at as f64 / 48_000.0
}

/// As [`first_picture`], from where players count: the earliest of all tracks.
pub fn first_shown(file: &Path) -> f64 {
    let start = ffprobe(file, "-show_entries format=start_time -of csv=p=0");
    first_picture(file) - start.trim().parse::<f64>().unwrap_or(0.0)
}

/// Asserts that `made` shows the frames of `source`: as many, in order, each the same grey.
pub fn assert_same_frames(source: &[u8], made: &[u8], what: &str) {
    assert_eq!(source.len(), made.len(), "{what}: frames");
    let wrong = source.iter().zip(made).position(|(a, b)| a.abs_diff(*b) > 8);
    assert_eq!(wrong, None, "{what}: the first wrong frame; {source:?} {made:?}");
}
