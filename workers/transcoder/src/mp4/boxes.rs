//! Walking boxes and reading big-endian numbers with bounds checked: an `Option` all the way, nothing panics.

/// A box: its type and its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mp4Box<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
}

/// The boxes in `data`, until its end or the first malformed one.
pub(super) fn boxes(mut data: &[u8]) -> impl Iterator<Item = Mp4Box<'_>> {
    std::iter::from_fn(move || {
        let (kind, head, size) = header(data)?;
        let size = if size == 0 { data.len() } else { usize::try_from(size).ok()? };
        let body = data.get(head..size)?;
        data = &data[size..];
        Some(Mp4Box { kind, body })
    })
}

/// Type, length of the header and whole length (0: to the end) of the box that begins `data`.
pub(super) fn header(data: &[u8]) -> Option<([u8; 4], usize, u64)> {
    let size = u32_at(data, 0)?;
    let kind = *data.get(4..)?.first_chunk()?;
    let (head, size) = if size == 1 { (16, u64_at(data, 8)?) } else { (8, u64::from(size)) };
    (size == 0 || size >= head as u64).then_some((kind, head, size))
}

/// The content of the first box of type `kind`.
pub(super) fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(data).find(|found| found.kind == *kind).map(|found| found.body)
}

/// The content at the end of a path of boxes.
pub(super) fn descend<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(data, |data, kind| find(data, kind))
}

pub(super) fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    data.get(offset..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

pub(super) fn u64_at(data: &[u8], offset: usize) -> Option<u64> {
    data.get(offset..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// Reads big-endian words one after the other.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl Words<'_> {
    pub(super) fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    pub(super) fn next_u64(&mut self) -> Option<u64> {
        Some(u64::from(self.next()?) << 32 | u64::from(self.next()?))
    }
}
