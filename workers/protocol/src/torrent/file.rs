//! One file of a torrent, and which names it may have.

/// Longest part of a path, bytes: what file systems take.
const MAX_NAME: usize = 255;
/// Deepest path.
const MAX_PARTS: usize = 32;

/// A file of a torrent. Pad files are no files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the torrent's name, at least one part; of a torrent that is one file the path is that name.
    pub path: Vec<String>,
    /// Its bytes.
    pub length: u64,
    /// Where it begins in the torrent's stream, the concatenation that pieces are cut from. In v2 each file begins a piece.
    pub offset: u64,
    /// Root of its Merkle tree, in v2 and hybrid torrents; none of an empty file.
    pub root: Option<[u8; 32]>,
}

/// A path a torrent may not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No part at all, or an empty one.
    #[error("it has an empty part")]
    Empty,
    /// `.` or `..`.
    #[error("it leads out of its folder")]
    Traversal,
    /// A separator, a NUL or another control character inside a part.
    #[error("a part has a separator or control character")]
    Character,
    /// A part longer than 255 bytes, or more than 32 parts.
    #[error("it has a part longer than {MAX_NAME} bytes or more than {MAX_PARTS} parts")]
    TooLong,
    /// No text.
    #[error("it is no UTF-8")]
    NoText,
}

impl File {
    /// The path with `/` between its parts.
    #[must_use]
    pub fn joined(&self) -> String {
        self.path.join("/")
    }

    /// End of the file in the torrent's stream.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Checks one part of a path.
pub(super) fn part(bytes: &[u8]) -> Result<String, PathError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PathError::NoText)?;
    match text {
        "" => Err(PathError::Empty),
        "." | ".." => Err(PathError::Traversal),
        _ if text.len() > MAX_NAME => Err(PathError::TooLong),
        _ if text.contains(|c: char| c == '/' || c == '\\' || c.is_control()) => Err(PathError::Character),
        _ => Ok(text.to_owned()),
    }
}

/// Checks the number of parts.
pub(super) fn path(parts: Vec<String>) -> Result<Vec<String>, PathError> {
    match parts.len() {
        0 => Err(PathError::Empty),
        1..=MAX_PARTS => Ok(parts),
        _ => Err(PathError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        assert_eq!(part("Ein Film (1999).mkv".as_bytes()).as_deref(), Ok("Ein Film (1999).mkv"));
        for (bad, why) in [
            (&b""[..], PathError::Empty),
            (b"..", PathError::Traversal),
            (b".", PathError::Traversal),
            (b"a/b", PathError::Character),
            (b"a\\b", PathError::Character),
            (b"a\0b", PathError::Character),
            (b"a\nb", PathError::Character),
            (&[b'a'; 256], PathError::TooLong),
            (b"\xff\xfe", PathError::NoText),
        ] {
            assert_eq!(part(bad), Err(why));
        }
        assert_eq!(path(vec!["a".into(); 33]), Err(PathError::TooLong));
        assert_eq!(path(vec![]), Err(PathError::Empty));
    }
}
