//! Building boxes in memory. Heads are small; sample bytes are copied from file to file and never pass through here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::{Mp4Error, Sample};

/// A box of type `kind` around `body`.
pub(super) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + body.len());
    // Only heads are built here, which are far below 4 GiB.
    out.extend_from_slice(&u32::try_from(8 + body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(body);
    out
}

/// A box with version and flags.
pub(super) fn full(kind: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags & 0xFF_FFFF).to_be_bytes();
    boxed(kind, &[&head[..], body].concat())
}

/// A box of boxes.
pub(super) fn nested(kind: &[u8; 4], children: &[Vec<u8>]) -> Vec<u8> {
    boxed(kind, &children.concat())
}

/// Big-endian words as bytes.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The files that samples are copied from.
pub(super) struct Sources {
    files: Vec<(PathBuf, File)>,
    buffer: Vec<u8>,
}

impl Sources {
    /// Opens `paths`; [`Sample::file`] is an index into them.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Mp4Error> {
        let open = |path: &PathBuf| match File::open(path) {
            Ok(file) => Ok((path.clone(), file)),
            Err(source) => Err(Mp4Error::Io { path: path.clone(), source }),
        };
        Ok(Self { files: paths.iter().map(open).collect::<Result<_, _>>()?, buffer: vec![0; 256 * 1024] })
    }

    /// Copies the bytes of `samples` in order, neighbours in one read.
    pub(super) fn copy(
        &mut self,
        samples: &[Sample],
        out: &mut impl Write,
        to: &std::path::Path,
    ) -> Result<(), Mp4Error> {
        let follows = |a: &Sample, b: &Sample| a.file == b.file && a.offset + u64::from(a.size) == b.offset;
        for run in samples.chunk_by(follows) {
            let Some(first) = run.first() else { continue };
            let Some((path, file)) = self.files.get_mut(first.file as usize) else {
                return Err(Mp4Error::Malformed { path: to.to_path_buf(), why: "a sample is of no file" });
            };
            let read = |source| Mp4Error::Io { path: path.clone(), source };
            file.seek(SeekFrom::Start(first.offset)).map_err(read)?;
            let mut left: u64 = run.iter().map(|sample| u64::from(sample.size)).sum();
            while left > 0 {
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                file.read_exact(&mut self.buffer[..part]).map_err(read)?;
                out.write_all(&self.buffer[..part])
                    .map_err(|source| Mp4Error::Io { path: to.to_path_buf(), source })?;
                left -= part as u64;
            }
        }
        Ok(())
    }
}
