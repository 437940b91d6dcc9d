//! Reads a fragmented MP4 of one track: its sample entry and where every sample is (ISO/IEC 14496-12, 8.8).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::boxes::{Words, boxes, descend, find, header, u32_at, u64_at};
use super::{Mp4Error, Sample, SampleEntry};

/// Largest box whose content is read: a `moof` of a very long fragment stays far below.
const LARGEST: u64 = 64 << 20;
/// Samples of one file: a day of sound in 20 ms blocks is 4.3 million.
const MOST_SAMPLES: usize = 8 << 20;

/// A fragmented MP4 of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragmented {
    /// The decoder's configuration.
    pub entry: SampleEntry,
    /// Ticks per second.
    pub timescale: u32,
    /// Ticks an edit list skips at the beginning.
    pub skip: u32,
    /// Samples in decoding order; [`Sample::file`] is the number that was given to [`read`].
    pub samples: Vec<Sample>,
}

/// Defaults that a fragment falls back to.
#[derive(Clone, Copy, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// Reads the file at `path`, whose samples are marked as those of file number `number`.
///
/// # Errors
/// [`Mp4Error`] when the file cannot be read or is not of this shape.
pub fn read(path: &Path, number: u32) -> Result<Fragmented, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    read_from(file, length, path, number)
}

/// As [`read`], from any `length` bytes; `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn read_from(mut file: impl Read + Seek, length: u64, path: &Path, number: u32) -> Result<Fragmented, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let malformed = |why| Mp4Error::Malformed { path: path.to_path_buf(), why };
    let mut movie: Option<(Fragmented, Defaults)> = None;
    let mut position = 0;
    while position < length {
        let mut head = [0; 16];
        let got = usize::try_from((length - position).min(16)).unwrap_or(16);
        file.seek(SeekFrom::Start(position)).map_err(io)?;
        file.read_exact(&mut head[..got]).map_err(io)?;
        let (kind, head_size, size) = header(&head[..got]).ok_or_else(|| malformed("a box header is broken"))?;
        let size = if size == 0 { length - position } else { size };
        if size > length - position {
            return Err(malformed("a box is longer than the file"));
        }
        if matches!(&kind, b"moov" | b"moof") {
            if size > LARGEST {
                return Err(malformed("an index box is too large"));
            }
            let mut body = vec![0; usize::try_from(size).unwrap_or(0) - head_size];
            file.seek(SeekFrom::Start(position + head_size as u64)).map_err(io)?;
            file.read_exact(&mut body).map_err(io)?;
            if &kind == b"moov" {
                movie = Some(moov(&body).ok_or_else(|| malformed("its movie box is broken"))?);
            } else {
                let (track, defaults) =
                    movie.as_mut().ok_or_else(|| malformed("a fragment comes before the movie box"))?;
                moof(&body, position, length, *defaults, number, &mut track.samples)
                    .ok_or_else(|| malformed("a fragment is broken"))?;
            }
        }
        position += size;
    }
    movie.map(|(track, _)| track).ok_or_else(|| malformed("it has no movie box"))
}

fn moov(body: &[u8]) -> Option<(Fragmented, Defaults)> {
    let track = find(body, b"trak")?;
    if boxes(body).filter(|found| &found.kind == b"trak").count() != 1 {
        return None;
    }
    let media = find(track, b"mdia")?;
    let clock = find(media, b"mdhd")?;
    let timescale = u32_at(clock, if clock.first()? == &1 { 20 } else { 12 }).filter(|scale| *scale > 0)?;
    let entry = SampleEntry::read(descend(media, &[b"minf", b"stbl", b"stsd"])?)?;
    let skip = descend(track, &[b"edts", b"elst"]).and_then(edit).unwrap_or(0);
    let extends = descend(body, &[b"mvex", b"trex"])?;
    let defaults = Defaults { duration: u32_at(extends, 12)?, size: u32_at(extends, 16)?, flags: u32_at(extends, 20)? };
    Some((Fragmented { entry, timescale, skip, samples: Vec::new() }, defaults))
}

/// Media time of a lone edit.
fn edit(body: &[u8]) -> Option<u32> {
    let (long, count) = (body.first()? == &1, u32_at(body, 4)?);
    if count != 1 {
        return None;
    }
    let time = if long { u64_at(body, 16)? } else { u64::from(u32_at(body, 12)?) };
    u32::try_from(time).ok().filter(|time| *time < u32::MAX / 2)
}

fn moof(
    body: &[u8],
    position: u64,
    length: u64,
    defaults: Defaults,
    file: u32,
    samples: &mut Vec<Sample>,
) -> Option<()> {
    let fragment = find(body, b"traf")?;
    if boxes(body).filter(|found| &found.kind == b"traf").count() != 1 {
        return None;
    }
    let mut header = Words(find(fragment, b"tfhd")?);
    let flags = header.next()?;
    let _track = header.next()?;
    let base = if flags & 1 != 0 { header.next_u64()? } else { position };
    if flags & 2 != 0 {
        header.next()?;
    }
    let mut or = |bit: u32, fallback: u32| if flags & bit != 0 { header.next() } else { Some(fallback) };
    let defaults = Defaults {
        duration: or(8, defaults.duration)?,
        size: or(0x10, defaults.size)?,
        flags: or(0x20, defaults.flags)?,
    };
    let time = find(fragment, b"tfdt")?;
    let start = if time.first()? == &1 { u64_at(time, 4)? } else { u64::from(u32_at(time, 4)?) };
    let mut decode = i64::try_from(start).ok()?;
    let mut offset = base;
    for run in boxes(fragment).filter(|found| &found.kind == b"trun") {
        (decode, offset) = trun(run.body, base, (decode, offset), length, defaults, file, samples)?;
    }
    Some(())
}

/// Reads one run of samples; answers where the next one would begin.
fn trun(
    body: &[u8],
    base: u64,
    (mut decode, mut offset): (i64, u64),
    length: u64,
    defaults: Defaults,
    file: u32,
    samples: &mut Vec<Sample>,
) -> Option<(i64, u64)> {
    let mut words = Words(body);
    let flags = words.next()?;
    let signed = flags >> 24 == 1;
    let count = words.next()? as usize;
    if flags & 1 != 0 {
        let relative = i64::from(words.next()?.cast_signed());
        offset = base.checked_add_signed(relative)?;
    }
    let first = if flags & 4 != 0 { Some(words.next()?) } else { None };
    if samples.len() + count > MOST_SAMPLES {
        return None;
    }
    for index in 0..count {
        let mut or = |bit: u32, fallback: u32| if flags & bit != 0 { words.next() } else { Some(fallback) };
        let duration = or(0x100, defaults.duration)?;
        // Each sample takes at least a byte of the file, so a small file cannot declare many.
        let size = or(0x200, defaults.size).filter(|size| *size > 0)?;
        let own = or(0x400, defaults.flags)?;
        let shift = or(0x800, 0)?;
        let shift = if signed { i64::from(shift.cast_signed()) } else { i64::from(shift) };
        let flags = first.filter(|_| index == 0).unwrap_or(own);
        // Bit 16: "is a non-sync sample".
        let key = flags & 0x1_0000 == 0;
        samples.push(Sample { file, offset, size, decode, present: decode.checked_add(shift)?, duration, key });
        decode = decode.checked_add(i64::from(duration))?;
        offset = offset.checked_add(u64::from(size)).filter(|end| *end <= length)?;
    }
    Some((decode, offset))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<Fragmented, Mp4Error> {
        read_from(std::io::Cursor::new(bytes), bytes.len() as u64, Path::new("memory"), 0)
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_bytes(&bytes);
        }

        #[test]
        fn any_fragment_has_an_answer(body in proptest::collection::vec(any::<u8>(), 0..200), run in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut samples = Vec::new();
            let _ = moof(&body, 0, 1000, Defaults::default(), 0, &mut samples);
            let _ = trun(&run, 0, (0, 0), 1000, Defaults::default(), 0, &mut samples);
            let _ = moov(&body);
        }
    }

    #[test]
    fn a_box_longer_than_the_file_is_named() {
        let error = read_bytes(b"\0\0\x01\0moovxxxx").unwrap_err();
        assert!(error.to_string().contains("longer than the file"), "{error}");
    }
}
