//! Writes a track as one CMAF file (ISO/IEC 23000-19): an initialisation segment, then the segments one after the other.
//!
//! A segment is a byte range of the file that starts with a keyframe. Each keyframe of a picture is a chunk (`moof` and `mdat`) of
//! its own, what follows it another, so that a playlist of keyframes alone names ranges that are whole. No byte depends on what
//! comes later: a file may be written as it grows ([`append`]), or in parts on many machines, and is the same.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use videocloud_protocol::rendition::Segment;

use super::movie::{Edit, empty_tables, movie_header, track};
use super::write::{Sources, boxed, full, nested, words};
use super::{Mp4Error, Sample, TrackHead};

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the initialisation segment.
    pub init_size: u64,
    /// The segments.
    pub segments: Vec<Segment>,
    /// Keyframes of a picture with the time until the next; none of sound.
    pub keyframes: Vec<Segment>,
}

/// Where in a track's file the next segment begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Byte.
    pub offset: u64,
    /// Groups (a keyframe and what depends on it; of sound, segments) before it: fragments are numbered by them.
    pub groups: u32,
}

/// Writes `samples` (decoding times increasing), copied from `sources`, to `path`. `segments` are ranges of sample indexes that
/// follow each other. Decoding times are written as they are, so a track may begin after 0.
///
/// Composition offsets are all shifted by `shift` ticks to be positive and the edit list takes the shift back. Negative offsets
/// would need no edit list, but ffmpeg and what is built on it show such fragments late by the largest of them.
///
/// # Errors
/// [`Mp4Error`] when a file cannot be read or written, or when `shift` is too small for how frames are reordered.
pub fn write(
    path: &Path,
    head: &TrackHead,
    shift: u32,
    samples: &[Sample],
    sources: &[PathBuf],
    segments: &[Range<usize>],
) -> Result<Written, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let mut out = BufWriter::with_capacity(256 * 1024, File::create(path).map_err(io)?);
    let init = init(head, shift);
    out.write_all(&init).map_err(io)?;
    let init_size = init.len() as u64;
    let place = Place { offset: init_size, groups: 0 };
    let part = Part { picture: head.entry.is_video(), shift, samples, sources, segments };
    let written = append(&mut out, path, place, &part)?;
    let file = out.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    Ok(Written { init_size, ..written })
}

/// Segments of a track that are written together.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Whether it is a picture, whose keyframes lie apart.
    pub picture: bool,
    /// As of [`write`].
    pub shift: u32,
    /// The samples.
    pub samples: &'a [Sample],
    /// Their files.
    pub sources: &'a [PathBuf],
    /// Ranges of `samples`.
    pub segments: &'a [Range<usize>],
}

/// Writes the segments of `part` to `out`, whose next byte is at `place` of the track's file; `path` is for messages.
///
/// # Errors
/// As [`write`].
pub fn append(out: &mut impl Write, path: &Path, place: Place, part: &Part<'_>) -> Result<Written, Mp4Error> {
    let mut sources = Sources::open(part.sources)?;
    let mut written = Written::default();
    let Place { mut offset, mut groups } = place;
    for range in part.segments {
        let samples = part.samples.get(range.clone()).unwrap_or_default();
        let timed = retime(samples, i64::from(part.shift))
            .ok_or_else(|| Mp4Error::Malformed { path: path.to_path_buf(), why: "frames are reordered too far" })?;
        let start = offset;
        let starts_group = |_: &Sample, next: &Sample| !(part.picture && next.key);
        for group in timed.chunk_by(starts_group) {
            groups += 1;
            let (first, rest) = group.split_at(if part.picture { 1 } else { group.len() });
            if part.picture {
                let ticks = group.iter().map(|sample| u64::from(sample.duration)).sum();
                written.keyframes.push(Segment { offset, size: 0, ticks });
            }
            // A number for each half of a group, whether there is a second half or not.
            for (number, samples) in [(2 * groups - 1, first), (2 * groups, rest)] {
                if !samples.is_empty() {
                    offset += fragment(out, path, number, part.shift, samples, &mut sources)?;
                }
                if let Some(keyframe) = written.keyframes.last_mut().filter(|keyframe| keyframe.size == 0) {
                    keyframe.size = offset - keyframe.offset;
                }
            }
        }
        let ticks = timed.iter().map(|sample| u64::from(sample.duration)).sum();
        written.segments.push(Segment { offset: start, size: offset - start, ticks });
    }
    Ok(written)
}

/// The samples of a segment with decoding times that no composition offset is negative for: as they are where the frames are
/// evenly spaced, earlier where a long gap lies among reordered ones. The first keeps its time. `None` when frames are reordered
/// further than `shift` ticks allow.
fn retime(samples: &[Sample], shift: i64) -> Option<Vec<Sample>> {
    let mut timed = samples.to_vec();
    let mut limit = i64::MAX;
    let mut end = samples.last().map_or(0, |last| last.decode + i64::from(last.duration));
    for sample in timed.iter_mut().rev() {
        limit = (limit - 1).min(sample.present + shift);
        sample.decode = sample.decode.min(limit);
        sample.duration = u32::try_from(end - sample.decode).ok()?;
        end = sample.decode;
    }
    let first = |samples: &[Sample]| samples.first().map(|sample| sample.decode);
    (first(&timed) == first(samples)).then_some(timed)
}

/// The initialisation segment.
#[must_use]
pub fn init(head: &TrackHead, shift: u32) -> Vec<u8> {
    let brands = boxed(b"ftyp", b"iso6\0\0\0\0iso6cmfcmp41");
    let edits = match shift + head.skip {
        0 => vec![],
        skip => vec![Edit { duration: 0, media: Some(skip) }],
    };
    let extends = full(b"trex", 0, 0, &words(&[1, 1, 0, 0, 0]));
    let movie = nested(
        b"moov",
        &[
            movie_header(head.timescale, 0, 1),
            track(1, head, 0, 0, &edits, &empty_tables(head)),
            nested(b"mvex", &[extends]),
        ],
    );
    [brands, movie].concat()
}

/// Header of an `mdat` of so many bytes.
pub(super) fn data_head(bytes: u64) -> Vec<u8> {
    match u32::try_from(bytes + 8) {
        Ok(size) => [&size.to_be_bytes()[..], b"mdat"].concat(),
        Err(_) => [&1u32.to_be_bytes()[..], b"mdat", &(bytes + 16).to_be_bytes()].concat(),
    }
}

/// Writes one `moof` and its `mdat`; answers their bytes.
fn fragment(
    out: &mut impl Write,
    path: &Path,
    number: u32,
    shift: u32,
    samples: &[Sample],
    sources: &mut Sources,
) -> Result<u64, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
    let data_head = data_head(bytes);
    let moof = head(number, shift, samples, data_head.len());
    out.write_all(&moof).map_err(io)?;
    out.write_all(&data_head).map_err(io)?;
    sources.copy(samples, out, path)?;
    Ok(moof.len() as u64 + data_head.len() as u64 + bytes)
}

fn head(number: u32, shift: u32, samples: &[Sample], data_head: usize) -> Vec<u8> {
    let decode = samples.first().map_or(0, |first| first.decode);
    // The run's data offset counts from the start of this box, whose size does not depend on the offset's value.
    let build = |offset: u32| {
        // Duration, size, flags and composition offset for each sample.
        let mut run = words(&[u32::try_from(samples.len()).unwrap_or(0), offset]);
        for sample in samples {
            let offset = u32::try_from(sample.present - sample.decode + i64::from(shift)).unwrap_or(0);
            run.extend(words(&[sample.duration, sample.size, sample_flags(sample.key), offset]));
        }
        let track = nested(
            b"traf",
            &[
                // default-base-is-moof
                full(b"tfhd", 0, 0x02_0000, &words(&[1])),
                full(b"tfdt", 1, 0, &decode.max(0).to_be_bytes()),
                full(b"trun", 0, 0x0F01, &run),
            ],
        );
        nested(b"moof", &[full(b"mfhd", 0, 0, &words(&[number])), track])
    };
    let size = build(0).len();
    build(u32::try_from(size + data_head).unwrap_or(0))
}

/// "Depends on no other" for keyframes, "depends on others, is no sync sample" for the rest.
fn sample_flags(key: bool) -> u32 {
    if key { 0x0200_0000 } else { 0x0101_0000 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// Frames of one closed group at `times`, in the coding order of a pyramid: P, b-reference, b, b.
    fn group(times: &[i64], end: i64) -> Vec<Sample> {
        let mut order: Vec<usize> = vec![0];
        while order.len() < times.len() {
            let next = order.len();
            let mini: &[usize] = match times.len() - next {
                1 => &[0],
                2 => &[1, 0],
                3 => &[2, 0, 1],
                _ => &[3, 1, 0, 2],
            };
            order.extend(mini.iter().map(|n| next + n));
        }
        let ends = times.iter().skip(1).copied().chain([end]);
        let each = order.iter().zip(times).zip(ends).enumerate();
        each.map(|(n, ((shown, decode), next))| Sample {
            file: 0,
            offset: 0,
            size: 1,
            decode: *decode,
            present: times[*shown],
            duration: u32::try_from(next - decode).unwrap(),
            key: n == 0,
        })
        .collect()
    }

    proptest! {
        #[test]
        fn any_spacing_has_decoding_times(steps in proptest::collection::vec(1i64..100_000, 1..60), shift in 4i64..5000) {
            let times: Vec<i64> = steps.iter().scan(77, |tick, step| { *tick += step; Some(*tick) }).collect();
            let end = times.last().unwrap() + 5;
            let samples = group(&times, end);
            let timed = retime(&samples, shift).unwrap();
            prop_assert_eq!(timed[0].decode, times[0]);
            prop_assert_eq!(timed.iter().map(|s| i64::from(s.duration)).sum::<i64>(), end - times[0]);
            for (now, next) in timed.iter().zip(timed.iter().skip(1)) {
                prop_assert_eq!(now.decode + i64::from(now.duration), next.decode);
                prop_assert!(now.duration > 0);
            }
            for (sample, given) in timed.iter().zip(&samples) {
                prop_assert_eq!(sample.present, given.present);
                prop_assert!(sample.present - sample.decode + shift >= 0);
            }
        }
    }

    #[test]
    fn even_frames_keep_their_times() {
        let times: Vec<i64> = (0..40).map(|n| n * 512).collect();
        let samples = group(&times, 40 * 512);
        assert_eq!(retime(&samples, 2 * 512).unwrap(), samples);
        assert_eq!(retime(&samples, -1), None);
    }
}
