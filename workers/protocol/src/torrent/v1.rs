//! Files and piece hashes of a v1 torrent (BEP 3), pad files left out (BEP 47).

use super::MAX_FILES;
use super::bencode::{Dict, Value};
use super::file::{self, File};
use super::info::{InfoError, add, count, shown};

/// What the v1 keys say.
pub(super) struct Parts<'a> {
    pub(super) files: Vec<File>,
    pub(super) total: u64,
    pub(super) hashes: &'a [u8],
}

/// Reads `pieces`, and `length` or `files`.
pub(super) fn read<'a>(dict: &Dict<'a>, name: &str, piece_length: u64) -> Result<Parts<'a>, InfoError> {
    let hashes = dict.bytes("pieces").ok_or(InfoError::Key("pieces"))?;
    let (files, total) = match (dict.get("length"), dict.get("files")) {
        (Some(length), None) => {
            let length = length.as_int().ok_or(InfoError::Key("length"))?;
            let (length, total) = add(0, length, || name.to_owned())?;
            (vec![File { path: vec![name.to_owned()], length, offset: 0, root: None }], total)
        }
        (None, Some(files)) => list(files.as_list().ok_or(InfoError::Key("files"))?)?,
        _ => return Err(InfoError::Key("length")),
    };
    let wanted = count(total, piece_length)? * 20;
    if hashes.len() as u64 != wanted {
        return Err(InfoError::PieceHashes { found: hashes.len(), wanted });
    }
    Ok(Parts { files, total, hashes })
}

fn list(entries: &[Value<'_>]) -> Result<(Vec<File>, u64), InfoError> {
    if entries.len() > MAX_FILES {
        return Err(InfoError::TooManyFiles);
    }
    let (mut files, mut total) = (Vec::with_capacity(entries.len()), 0);
    for entry in entries {
        let entry = entry.as_dict().ok_or(InfoError::Key("files"))?;
        let parts = entry.list("path.utf-8").or_else(|| entry.list("path")).ok_or(InfoError::Key("path"))?;
        let pad = entry.bytes("attr").is_some_and(|attributes| attributes.contains(&b'p'));
        let offset = total;
        let stated = entry.int("length").ok_or(InfoError::Key("length"))?;
        let (length, sum) = add(total, stated, || readable(parts))?;
        total = sum;
        if !pad {
            files.push(File { path: path(parts)?, length, offset, root: None });
        }
    }
    if files.is_empty() { Err(InfoError::Empty) } else { Ok((files, total)) }
}

fn path(parts: &[Value<'_>]) -> Result<Vec<String>, InfoError> {
    let checked = parts.iter().map(|part| file::part(part.as_bytes().unwrap_or_default())).collect::<Result<_, _>>();
    checked.and_then(file::path).map_err(|why| InfoError::Path { path: readable(parts), why })
}

fn readable(parts: &[Value<'_>]) -> String {
    parts.iter().take(8).map(|part| shown(part.as_bytes().unwrap_or_default())).collect::<Vec<_>>().join("/")
}
