//! The file tree of a v2 torrent (BEP 52). Each file begins a piece, so the stream has gaps where v1 has pad files.

use super::bencode::Dict;
use super::file::{self, File};
use super::info::{InfoError, add, count, shown};
use super::{MAX_FILES, MAX_TOTAL};

/// Reads `file tree`: files in the order of the tree, and the end of the last one.
pub(super) fn read(dict: &Dict<'_>, piece_length: u64) -> Result<(Vec<File>, u64), InfoError> {
    let tree = dict.dict("file tree").ok_or(InfoError::Key("file tree"))?;
    let mut files = Vec::new();
    let mut total = 0;
    walk(tree, &mut Vec::new(), piece_length, &mut files, &mut total)?;
    if files.is_empty() { Err(InfoError::Empty) } else { Ok((files, total)) }
}

fn walk(
    folder: &Dict<'_>,
    above: &mut Vec<String>,
    piece_length: u64,
    files: &mut Vec<File>,
    total: &mut u64,
) -> Result<(), InfoError> {
    for (key, value) in folder.iter() {
        let bad = |why| InfoError::Path { path: format!("{}/{}", above.join("/"), shown(key)), why };
        let part = file::part(key).map_err(bad)?;
        let entry = value.as_dict().ok_or(InfoError::Key("file tree"))?;
        above.push(part);
        match entry.dict("") {
            Some(_) if entry.len() > 1 => return Err(InfoError::Overlap(above.join("/"))),
            Some(leaf) => {
                if files.len() >= MAX_FILES {
                    return Err(InfoError::TooManyFiles);
                }
                let path = file::path(above.clone());
                let path = path.map_err(|why| InfoError::Path { path: above.join("/"), why })?;
                files.push(leaf_at(leaf, path, piece_length, total)?);
            }
            None => walk(entry, above, piece_length, files, total)?,
        }
        above.pop();
    }
    Ok(())
}

fn leaf_at(leaf: &Dict<'_>, path: Vec<String>, piece_length: u64, total: &mut u64) -> Result<File, InfoError> {
    let stated = leaf.int("length").ok_or(InfoError::Key("length"))?;
    if stated == 0 {
        return Ok(File { path, length: 0, offset: *total, root: None });
    }
    let offset = total.checked_next_multiple_of(piece_length).unwrap_or(MAX_TOTAL);
    let (length, end) = add(offset, stated, || path.join("/"))?;
    let root = leaf.bytes("pieces root").and_then(|root| root.try_into().ok());
    let root = Some(root.ok_or(InfoError::Key("pieces root"))?);
    count(end, piece_length)?;
    *total = end;
    Ok(File { path, length, offset, root })
}

/// Whether the two halves of a hybrid torrent name the same bytes at the same places.
pub(super) fn agree(v1: &[File], v2: &[File]) -> Result<(), InfoError> {
    let same =
        |(a, b): (&File, &File)| a.path == b.path && a.length == b.length && (a.length == 0 || a.offset == b.offset);
    if v1.len() == v2.len() && v1.iter().zip(v2).all(same) { Ok(()) } else { Err(InfoError::HybridDiffers) }
}
