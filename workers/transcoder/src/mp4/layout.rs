//! Where in an MP4 file its media lie: the boxes of the top level, read one head after the other.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::Mp4Error;
use super::boxes::header;
use crate::plan::reads::ByteRange;

/// Boxes of the top level; a file of more fragments than this is read whole.
const MOST: usize = 256;
/// Bytes of a media box's own head that are always read.
const MEDIA_HEAD: u64 = 16;

/// The ranges of the file at `path` that are no media: every box but `mdat`, and the heads of those. `None` when it is not made
/// of boxes throughout, or of too many.
///
/// # Errors
/// [`Mp4Error`] when it cannot be read.
pub fn layout(path: &Path) -> Result<Option<Vec<ByteRange>>, Mp4Error> {
    let io = |source| Mp4Error::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    layout_of(file, length).map_err(io)
}

/// As [`layout`], of any `length` bytes.
///
/// # Errors
/// When they cannot be read.
pub fn layout_of(mut file: impl Read + Seek, length: u64) -> std::io::Result<Option<Vec<ByteRange>>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < length {
        let mut head = [0; 16];
        let got = usize::try_from((length - start).min(16)).unwrap_or(16);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut head[..got])?;
        let Some((kind, _, size)) = header(&head[..got]) else { return Ok(None) };
        let end = if size == 0 { Some(length) } else { start.checked_add(size).filter(|end| *end <= length) };
        let Some(end) = end.filter(|_| ranges.len() < MOST) else { return Ok(None) };
        let kept = if &kind == b"mdat" { end.min(start + MEDIA_HEAD) } else { end };
        ranges.push(ByteRange { start, end: kept });
        start = end;
    }
    Ok(Some(ranges))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Option<Vec<ByteRange>> {
        layout_of(std::io::Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    #[test]
    fn media_are_left_out() {
        let mut bytes = b"\0\0\0\x08ftyp\0\0\0\x40mdat".to_vec();
        bytes.resize(8 + 64, 7);
        bytes.extend(b"\0\0\0\x0Cmoov....");
        let expected = [(0, 8), (8, 24), (72, 84)].map(|(start, end)| ByteRange { start, end });
        assert_eq!(of(&bytes).unwrap(), expected);
        assert_eq!(of(&bytes[..80]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = of(&bytes);
        }
    }
}
