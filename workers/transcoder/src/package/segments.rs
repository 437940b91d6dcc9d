//! Which samples form a segment, and the bit rates players are told.

use std::ops::Range;

use videocloud_protocol::rendition::Segment;

use super::join::Joined;
use crate::plan::Plan;

/// Segments of a video track (or of the part of it that a chunk adds): each begins with the first keyframe of a cell of `seconds`,
/// counted from `origin`, the tick of the first frame of the whole.
#[must_use]
pub fn video(track: &Joined, seconds: u32, origin: i64) -> Vec<Range<usize>> {
    let cell = i64::from(seconds.max(1)) * i64::from(track.head.timescale);
    let mut current = None;
    let starts = track.samples.iter().enumerate().filter_map(|(index, sample)| {
        let now = (sample.present - origin).div_euclid(cell);
        let begins = sample.key && current.is_none_or(|before| now > before);
        if begins {
            current = Some(now);
        }
        begins.then_some(index)
    });
    ranges(starts.collect(), track.samples.len())
}

/// Ticks from the first frame at which the planned segments begin.
fn planned_starts(plan: &Plan) -> Vec<i64> {
    let origin = plan.chunks.first().map_or(0, |chunk| chunk.start);
    let cell = plan.clock.seconds(plan.segment_seconds);
    let mut current = None;
    let keys = plan.chunks.iter().flat_map(|chunk| chunk.keys.iter().map(move |key| chunk.start + key - origin));
    keys.filter(|tick| {
        let now = tick.div_euclid(cell);
        current.is_none_or(|before| now > before) && current.replace(now) != Some(now)
    })
    .collect()
}

/// Ticks that each segment of the picture will last.
#[must_use]
pub fn planned(plan: &Plan) -> Vec<u64> {
    let starts = planned_starts(plan);
    let end = plan.chunks.first().zip(plan.chunks.last()).map_or(0, |(first, last)| last.end - first.start);
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts.iter().zip(ends).map(|(start, end)| u64::try_from(end - start).unwrap_or(0)).collect()
}

/// As [`borders`], before anything is encoded.
#[must_use]
pub fn planned_borders(plan: &Plan) -> Vec<f64> {
    let time = |tick: &i64| (tick + plan.lead()) as f64 / f64::from(plan.clock.timescale);
    planned_starts(plan).iter().skip(1).map(time).collect()
}

/// Times, in seconds, at which the segments of a track after the first begin.
#[must_use]
pub fn borders(track: &Joined, segments: &[Range<usize>]) -> Vec<f64> {
    let time =
        |index: usize| track.samples.get(index).map(|sample| sample.decode as f64 / f64::from(track.head.timescale));
    segments.iter().skip(1).filter_map(|range| time(range.start)).collect()
}

/// Segments of a sound track at the borders of the picture's (or every so many seconds), so that both switch together.
#[must_use]
pub fn sound(track: &Joined, borders: &[f64]) -> Vec<Range<usize>> {
    let scale = f64::from(track.head.timescale);
    let skip = f64::from(track.head.skip);
    let mut starts = vec![0];
    for border in borders {
        let index = track.samples.partition_point(|sample| (sample.decode as f64 - skip) / scale < *border - 1e-9);
        if index > *starts.last().unwrap_or(&0) && index < track.samples.len() {
            starts.push(index);
        }
    }
    ranges(starts, track.samples.len())
}

fn ranges(starts: Vec<usize>, end: usize) -> Vec<Range<usize>> {
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([end]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}

/// Mean and peak bits per second. The peak leaves out segments shorter than half the longest: RFC 8216 counts from there, and a
/// last frame alone would stand for a rate that nobody ever needs.
#[must_use]
pub fn bit_rates(segments: &[Segment], timescale: u32) -> (u64, u64) {
    let rate = |bytes: u64, ticks: u64| {
        u64::try_from(u128::from(bytes) * 8 * u128::from(timescale) / u128::from(ticks.max(1))).unwrap_or(u64::MAX)
    };
    let longest = segments.iter().map(|segment| segment.ticks).max().unwrap_or(0);
    let peak =
        segments.iter().filter(|s| s.ticks * 2 >= longest).map(|segment| rate(segment.size, segment.ticks)).max();
    let (bytes, ticks) = segments.iter().fold((0, 0), |(bytes, ticks), s| (bytes + s.size, ticks + s.ticks));
    let mean = rate(bytes, ticks);
    (mean, peak.unwrap_or(0).max(mean))
}
