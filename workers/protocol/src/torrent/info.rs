//! The info dictionary: name, pieces, files. It is what info hashes are taken over, so it is kept as it came.

use bytes::Bytes;

use super::bencode::{BencodeError, Dict, Value};
use super::file::{self, File, PathError};
use super::hash::{InfoHashes, V1Hash, V2Hash};
use super::{MAX_PIECE_LENGTH, MAX_PIECES, MAX_TORRENT_BYTES, MAX_TOTAL, MIN_PIECE_LENGTH, merkle, v1, v2};

/// Why an info dictionary cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// No bencode.
    #[error(transparent)]
    Bencode(#[from] BencodeError),
    /// Larger than [`MAX_TORRENT_BYTES`].
    #[error("failed to read a torrent: it has {0} bytes, more than {MAX_TORRENT_BYTES}")]
    TooLarge(usize),
    /// A key that is needed is not there, or its value is of another kind.
    #[error("failed to read a torrent: no valid {0:?} in it")]
    Key(&'static str),
    /// A `meta version` that is not known.
    #[error("failed to read a torrent: its meta version {0} is not known, only 1 and 2 are")]
    Version(i64),
    /// A piece length outside the limits.
    #[error(
        "failed to read a torrent: pieces of {0} bytes; {MIN_PIECE_LENGTH} to {MAX_PIECE_LENGTH} are possible in v1, \
         powers of two from 16384 on in v2"
    )]
    PieceLength(i64),
    /// More pieces than [`MAX_PIECES`].
    #[error("failed to read a torrent: {0} pieces, more than {MAX_PIECES}")]
    TooManyPieces(u64),
    /// The number of piece hashes is not the number of pieces.
    #[error("failed to read a torrent: {found} bytes of piece hashes where {wanted} are needed")]
    PieceHashes {
        /// Bytes that are there.
        found: usize,
        /// Bytes that the length asks for.
        wanted: u64,
    },
    /// A negative length, or lengths that add up to more than [`MAX_TOTAL`].
    #[error("failed to read a torrent: the length of file {0:?} is negative or too large")]
    Length(String),
    /// A path that may not be.
    #[error("failed to read a torrent: the path {path:?} cannot be used: {why}")]
    Path {
        /// The path as far as it can be shown.
        path: String,
        /// What is wrong with it.
        why: PathError,
    },
    /// Two files at one path, or a file where another needs a folder.
    #[error("failed to read a torrent: two files overlap at {0:?}")]
    Overlap(String),
    /// More files than [`super::MAX_FILES`].
    #[error("failed to read a torrent: more than {} files", super::MAX_FILES)]
    TooManyFiles,
    /// Nothing in it.
    #[error("failed to read a torrent: it has no bytes")]
    Empty,
    /// A hybrid torrent whose two halves name different files.
    #[error("failed to read a torrent: its v1 and v2 parts name different files")]
    HybridDiffers,
}

/// A checked info dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub(super) name: String,
    pub(super) piece_length: u64,
    pub(super) files: Vec<File>,
    pub(super) total: u64,
    pub(super) private: bool,
    single: bool,
    pub(super) v1_hashes: Option<Bytes>,
    hashes: InfoHashes,
    raw: Bytes,
}

impl Info {
    /// Reads the bytes of an info dictionary.
    ///
    /// # Errors
    /// [`InfoError`]: what is wrong with it.
    pub fn parse(raw: Bytes) -> Result<Self, InfoError> {
        if raw.len() > MAX_TORRENT_BYTES {
            return Err(InfoError::TooLarge(raw.len()));
        }
        let value = Value::parse(&raw)?;
        let dict = value.as_dict().ok_or(InfoError::Key("info"))?;
        let version = match dict.get("meta version") {
            None => 1,
            Some(value) => value.as_int().ok_or(InfoError::Key("meta version"))?,
        };
        let has_v1 = dict.get("pieces").is_some();
        if !matches!(version, 1 | 2) {
            return Err(InfoError::Version(version));
        }
        let name = name(dict)?;
        let piece_length = piece_length(dict, version == 2)?;
        let first = has_v1.then(|| v1::read(dict, &name, piece_length)).transpose()?;
        let second = (version == 2).then(|| v2::read(dict, piece_length)).transpose()?;
        let (files, total, v1_hashes) = match (first, second) {
            (Some(first), None) => (first.files, first.total, Some(raw.slice_ref(first.hashes))),
            (None, Some((files, total))) => (files, total, None),
            (Some(first), Some((files, _))) => {
                v2::agree(&first.files, &files)?;
                (files, first.total, Some(raw.slice_ref(first.hashes)))
            }
            (None, None) => return Err(InfoError::Key("pieces")),
        };
        overlap(&files)?;
        // A torrent of pads only has bytes, and none that anybody could want.
        if total == 0 || files.iter().all(|file| file.length == 0) {
            return Err(InfoError::Empty);
        }
        let private = dict.int("private") == Some(1);
        let single = match (dict.get("files"), &files[..]) {
            (None, [only]) => only.path == [name.as_str()],
            _ => false,
        };
        let v1_hash = has_v1.then(|| V1Hash::of(&raw));
        let v2_hash = (version == 2).then(|| V2Hash::of(&raw));
        let hashes = InfoHashes::new(v1_hash, v2_hash).ok_or(InfoError::Key("pieces"))?;
        Ok(Self { name, piece_length, files, total, private, single, v1_hashes, hashes, raw: raw.clone() })
    }

    /// Name of the file, or of the folder above all files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of a piece; the last one is shorter.
    #[must_use]
    pub const fn piece_length(&self) -> u64 {
        self.piece_length
    }

    /// Number of pieces.
    #[must_use]
    pub const fn pieces(&self) -> u64 {
        self.total.div_ceil(self.piece_length)
    }

    /// Bytes of the stream that pieces are cut from, pads included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of piece `index`, 0 behind the last.
    #[must_use]
    pub fn length_of(&self, index: u64) -> u64 {
        self.total.saturating_sub(index.saturating_mul(self.piece_length)).min(self.piece_length)
    }

    /// The files, without pads, in the order of the stream; at least one.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether the torrent is one file and not a folder.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        self.single
    }

    /// Whether only the torrent's own trackers may name peers (BEP 27).
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// Its info hashes.
    #[must_use]
    pub const fn hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// SHA-1 of piece `index`, in v1 and hybrid torrents.
    #[must_use]
    pub fn v1_hash(&self, index: u64) -> Option<[u8; 20]> {
        let from = usize::try_from(index).ok()?.checked_mul(20)?;
        self.v1_hashes.as_ref()?.get(from..from.checked_add(20)?)?.try_into().ok()
    }

    /// The bytes the info hashes are taken over.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }
}

fn name(dict: &Dict<'_>) -> Result<String, InfoError> {
    let bytes = dict.bytes("name.utf-8").or_else(|| dict.bytes("name")).ok_or(InfoError::Key("name"))?;
    file::part(bytes).map_err(|why| InfoError::Path { path: shown(bytes), why })
}

fn piece_length(dict: &Dict<'_>, v2: bool) -> Result<u64, InfoError> {
    let stated = dict.int("piece length").ok_or(InfoError::Key("piece length"))?;
    let length = u64::try_from(stated).map_err(|_| InfoError::PieceLength(stated))?;
    let possible = (MIN_PIECE_LENGTH..=MAX_PIECE_LENGTH).contains(&length);
    let fits_v2 = length.is_power_of_two() && length >= merkle::BLOCK as u64;
    if possible && (!v2 || fits_v2) { Ok(length) } else { Err(InfoError::PieceLength(stated)) }
}

/// Refuses two files at one path and files inside of files.
fn overlap(files: &[File]) -> Result<(), InfoError> {
    let mut paths: Vec<&[String]> = files.iter().map(|file| &file.path[..]).collect();
    paths.sort_unstable();
    // In order, a path comes right before the first of those it is the front of.
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        Some(pair) => Err(InfoError::Overlap(pair[1].join("/"))),
        None => Ok(()),
    }
}

/// Adds the length of a file; errors name it by `path`.
pub(super) fn add(total: u64, length: i64, path: impl Fn() -> String) -> Result<(u64, u64), InfoError> {
    let bad = || InfoError::Length(path());
    let length = u64::try_from(length).map_err(|_| bad())?;
    let sum = total.checked_add(length).filter(|sum| *sum <= MAX_TOTAL).ok_or_else(bad)?;
    Ok((length, sum))
}

/// Refuses more pieces than are kept track of.
pub(super) fn count(total: u64, piece_length: u64) -> Result<u64, InfoError> {
    let pieces = total.div_ceil(piece_length);
    if pieces > MAX_PIECES { Err(InfoError::TooManyPieces(pieces)) } else { Ok(pieces) }
}

/// The front of foreign bytes, for a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().take(80).map(char::from).collect()
}
