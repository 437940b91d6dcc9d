//! Writes tracks as one progressive MP4 with the index in front, so that playing starts with the first bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::cmaf::data_head;
use super::movie::{Edit, movie_header, sample_description, track};
use super::write::{Sources, boxed, full, nested, words};
use super::{Mp4Error, Sample, TrackHead};

/// A track to be written.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What it is.
    pub head: &'a TrackHead,
    /// Its samples, decoding times increasing from the track's first presentation time on.
    pub samples: &'a [Sample],
    /// The files they are in.
    pub sources: &'a [PathBuf],
}

/// Samples of one track that lie together: about a second, so that a player needs little buffer.
struct Chunk<'a> {
    track: usize,
    seconds: f64,
    samples: &'a [Sample],
}

/// Writes `tracks` to `path`. `brand` is the major brand, for example `isom` or `3gp6`.
///
/// # Errors
/// [`Mp4Error`] when a file cannot be read or written.
pub fn write(path: &Path, brand: [u8; 4], tracks: &[Input<'_>]) -> Result<(), Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let chunks = interleave(tracks);
    let bytes: u64 = tracks.iter().flat_map(|track| track.samples).map(|sample| u64::from(sample.size)).sum();
    let brands = boxed(b"ftyp", &[&brand[..], &[0, 0, 2, 0], &brand, b"iso2mp41"].concat());
    let data_head = data_head(bytes);
    // Offsets have a fixed width, so the size of the index does not depend on where the data begins.
    let wide = bytes > u64::from(u32::MAX) / 2;
    let index = |start: u64| movie(tracks, &chunks, start, wide);
    let start = brands.len() as u64 + index(0).len() as u64 + data_head.len() as u64;
    let mut out = BufWriter::with_capacity(256 * 1024, File::create(path).map_err(io)?);
    for part in [&brands, &index(start), &data_head] {
        out.write_all(part).map_err(io)?;
    }
    let mut sources = tracks.iter().map(|track| Sources::open(track.sources)).collect::<Result<Vec<_>, _>>()?;
    for chunk in &chunks {
        sources[chunk.track].copy(chunk.samples, &mut out, path)?;
    }
    let file = out.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)
}

/// Chunks of about a second of each track, in order of time.
fn interleave<'a>(tracks: &[Input<'a>]) -> Vec<Chunk<'a>> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    for (number, track) in tracks.iter().enumerate() {
        let second = |sample: &Sample| sample.decode.div_euclid(i64::from(track.head.timescale));
        for samples in track.samples.chunk_by(|a, b| second(a) == second(b)) {
            let seconds = samples.first().map_or(0.0, |first| first.decode as f64 / f64::from(track.head.timescale));
            chunks.push(Chunk { track: number, seconds, samples });
        }
    }
    chunks.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.track.cmp(&b.track)));
    chunks
}

fn movie(tracks: &[Input<'_>], chunks: &[Chunk<'_>], start: u64, wide: bool) -> Vec<u8> {
    // The movie's clock is the first track's, so that its edits are exact.
    let timescale = tracks.first().map_or(1000, |track| track.head.timescale);
    let rescale = |ticks: i64, from: u32| {
        u64::try_from(i128::from(ticks.max(0)) * i128::from(timescale) / i128::from(from.max(1))).unwrap_or(0)
    };
    let mut offsets: Vec<Vec<u64>> = vec![Vec::new(); tracks.len()];
    let mut counts: Vec<Vec<u32>> = vec![Vec::new(); tracks.len()];
    let mut offset = start;
    for chunk in chunks {
        offsets[chunk.track].push(offset);
        counts[chunk.track].push(u32::try_from(chunk.samples.len()).unwrap_or(0));
        offset += chunk.samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>();
    }
    let mut longest = 0;
    let mut boxes = Vec::new();
    for (number, input) in tracks.iter().enumerate() {
        let samples = input.samples;
        let lead = samples.first().map_or(0, |first| first.decode);
        let media: i64 = samples.iter().map(|sample| i64::from(sample.duration)).sum();
        // Composition offsets must not be negative here: all are shifted, and the edit list takes the shift back.
        let shift = samples.iter().map(|sample| sample.decode - sample.present).max().unwrap_or(0).max(0);
        let skip = shift + i64::from(input.head.skip);
        let shown = rescale(media - i64::from(input.head.skip), input.head.timescale);
        let mut edits = Vec::new();
        if lead > 0 {
            edits.push(Edit { duration: rescale(lead, input.head.timescale), media: None });
        }
        edits.push(Edit { duration: shown, media: u32::try_from(skip).ok() });
        let duration = shown + rescale(lead, input.head.timescale);
        longest = longest.max(duration);
        let tables = tables(input, shift, &offsets[number], &counts[number], wide);
        let id = u32::try_from(number + 1).unwrap_or(1);
        boxes.push(track(id, input.head, duration, u64::try_from(media).unwrap_or(0), &edits, &tables));
    }
    boxes.insert(0, movie_header(timescale, longest, u32::try_from(tracks.len()).unwrap_or(1)));
    nested(b"moov", &boxes)
}

fn tables(input: &Input<'_>, shift: i64, offsets: &[u64], counts: &[u32], wide: bool) -> Vec<Vec<u8>> {
    let samples = input.samples;
    let mut tables =
        vec![sample_description(input.head), full(b"stts", 0, 0, &runs(samples.iter().map(|s| s.duration)))];
    let composition = |sample: &Sample| u32::try_from(sample.present - sample.decode + shift).unwrap_or(0);
    if samples.iter().any(|sample| composition(sample) != 0) {
        tables.push(full(b"ctts", 0, 0, &runs(samples.iter().map(composition))));
    }
    if samples.iter().any(|sample| !sample.key) {
        let keys: Vec<u32> = (1..).zip(samples).filter(|(_, sample)| sample.key).map(|(number, _)| number).collect();
        tables.push(full(b"stss", 0, 0, &counted(&keys)));
    }
    let mut chunks = Vec::new();
    let mut before = None;
    for (number, count) in (1u32..).zip(counts) {
        if before != Some(count) {
            chunks.extend([number, *count, 1]);
            before = Some(count);
        }
    }
    let entries = u32::try_from(chunks.len() / 3).unwrap_or(0);
    tables.push(full(b"stsc", 0, 0, &[words(&[entries]), words(&chunks)].concat()));
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.size).collect();
    tables.push(full(b"stsz", 0, 0, &[words(&[0]), counted(&sizes)].concat()));
    let count = words(&[u32::try_from(offsets.len()).unwrap_or(0)]);
    tables.push(if wide {
        let offsets: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_be_bytes()).collect();
        full(b"co64", 0, 0, &[count, offsets].concat())
    } else {
        let offsets: Vec<u32> = offsets.iter().map(|offset| u32::try_from(*offset).unwrap_or(0)).collect();
        full(b"stco", 0, 0, &[count, words(&offsets)].concat())
    });
    tables
}

/// A list after its length.
fn counted(list: &[u32]) -> Vec<u8> {
    [words(&[u32::try_from(list.len()).unwrap_or(0)]), words(list)].concat()
}

/// Run lengths: how often each value repeats.
fn runs(values: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    let count = u32::try_from(runs.len()).unwrap_or(0);
    [words(&[count]), runs.iter().flat_map(|(count, value)| words(&[*count, *value])).collect()].concat()
}
