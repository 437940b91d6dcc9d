//! Writes a track as one CMAF file (ISO/IEC 23000-19): an initialisation segment, then one fragment per segment.
//!
//! Each segment is exactly one `moof` and `mdat` and starts with a keyframe, so a byte range of the file is a media segment.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use videocloud_protocol::rendition::Segment;

use super::movie::{Edit, empty_tables, movie_header, track};
use super::write::{Sources, boxed, full, nested, words};
use super::{Mp4Error, Sample, TrackHead};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the initialisation segment.
    pub init_size: u64,
    /// The segments.
    pub segments: Vec<Segment>,
}

/// Writes `samples` (decoding times increasing), copied from `sources`, to `path`. `segments` are ranges of sample indexes that
/// follow each other. Decoding times are written as they are, so a track may begin after 0.
///
/// Composition offsets are all shifted to be positive and the edit list takes the shift back. Negative offsets would need no
/// edit list, but ffmpeg and what is built on it show such fragments late by the largest of them.
///
/// # Errors
/// [`Mp4Error`] when a file cannot be read or written.
pub fn write(
    path: &Path,
    head: &TrackHead,
    samples: &[Sample],
    sources: &[PathBuf],
    segments: &[Range<usize>],
) -> Result<Written, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let mut sources = Sources::open(sources)?;
    let mut out = BufWriter::with_capacity(256 * 1024, File::create(path).map_err(io)?);
    let shift = samples.iter().map(|sample| sample.decode - sample.present).max().unwrap_or(0).max(0);
    let init = init(head, shift);
    out.write_all(&init).map_err(io)?;
    let mut written = Written { init_size: init.len() as u64, segments: Vec::with_capacity(segments.len()) };
    let mut offset = written.init_size;
    for (number, range) in segments.iter().enumerate() {
        let samples = samples.get(range.clone()).unwrap_or_default();
        let Some(first) = samples.first() else { continue };
        let bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
        let data_head = data_head(bytes);
        let sequence = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let moof = fragment(sequence, first.decode, shift, samples, data_head.len());
        out.write_all(&moof).map_err(io)?;
        out.write_all(&data_head).map_err(io)?;
        sources.copy(samples, &mut out, path)?;
        let size = moof.len() as u64 + data_head.len() as u64 + bytes;
        let ticks = samples.iter().map(|sample| u64::from(sample.duration)).sum();
        written.segments.push(Segment { offset, size, ticks });
        offset += size;
    }
    let file = out.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    Ok(written)
}

/// The initialisation segment.
fn init(head: &TrackHead, shift: i64) -> Vec<u8> {
    let brands = boxed(b"ftyp", b"iso6\0\0\0\0iso6cmfcmp41");
    let edits = match u32::try_from(shift).unwrap_or(0) + head.skip {
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

fn fragment(number: u32, decode: i64, shift: i64, samples: &[Sample], data_head: usize) -> Vec<u8> {
    // The run's data offset counts from the start of this box, whose size does not depend on the offset's value.
    let build = |offset: u32| {
        // Duration, size, flags and composition offset for each sample.
        let mut run = words(&[u32::try_from(samples.len()).unwrap_or(0), offset]);
        for sample in samples {
            let offset = u32::try_from(sample.present - sample.decode + shift).unwrap_or(0);
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
