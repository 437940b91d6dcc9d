//! The movie box, common to fragmented and progressive files. All clocks of creation are zero: equal input, equal bytes.

use super::TrackHead;
use super::write::{boxed, full, nested, words};

/// Identity matrix of `mvhd` and `tkhd`.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// An entry of an edit list: how long (movie ticks) and from which media time (`None`: nothing is shown).
pub(super) struct Edit {
    pub(super) duration: u64,
    pub(super) media: Option<u32>,
}

/// `mvhd` with this duration (0 when fragmented).
pub(super) fn movie_header(timescale: u32, duration: u64, tracks: u32) -> Vec<u8> {
    let mut body = long_times(timescale, duration);
    body.extend(words(&[0x1_0000, 0x0100_0000, 0, 0]));
    body.extend(words(&MATRIX));
    body.extend(words(&[0, 0, 0, 0, 0, 0, tracks + 1]));
    full(b"mvhd", 1, 0, &body)
}

/// A `trak` around its sample tables.
pub(super) fn track(
    id: u32,
    head: &TrackHead,
    movie_duration: u64,
    media_duration: u64,
    edits: &[Edit],
    tables: &[Vec<u8>],
) -> Vec<u8> {
    let mut boxes = vec![track_header(id, head, movie_duration)];
    if !edits.is_empty() {
        boxes.push(boxed(b"edts", &edit_list(edits)));
    }
    let mut media = long_times(head.timescale, media_duration);
    media.extend((u32::from(packed_language(&head.language)) << 16).to_be_bytes());
    boxes.push(nested(b"mdia", &[full(b"mdhd", 1, 0, &media), handler(head), media_information(head, tables)]));
    nested(b"trak", &boxes)
}

/// `stsd` and empty tables, for a file whose samples are all in fragments.
pub(super) fn empty_tables(head: &TrackHead) -> Vec<Vec<u8>> {
    vec![
        sample_description(head),
        full(b"stts", 0, 0, &words(&[0])),
        full(b"stsc", 0, 0, &words(&[0])),
        full(b"stsz", 0, 0, &words(&[0, 0])),
        full(b"stco", 0, 0, &words(&[0])),
    ]
}

/// `stsd` with the one entry.
pub(super) fn sample_description(head: &TrackHead) -> Vec<u8> {
    full(b"stsd", 0, 0, &[words(&[1]), head.entry.to_box()].concat())
}

/// Version 1 times: creation and modification (zero), timescale, duration.
fn long_times(timescale: u32, duration: u64) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend(timescale.to_be_bytes());
    body.extend(duration.to_be_bytes());
    body
}

fn track_header(id: u32, head: &TrackHead, duration: u64) -> Vec<u8> {
    let (width, height) = head.entry.size();
    let mut body = vec![0; 16];
    body.extend(words(&[id, 0]));
    body.extend(duration.to_be_bytes());
    let volume = if head.entry.is_video() { 0 } else { 0x0100_0000 };
    body.extend(words(&[0, 0, 0, volume]));
    body.extend(words(&MATRIX));
    body.extend(words(&[u32::from(width) << 16, u32::from(height) << 16]));
    // Enabled, in movie.
    full(b"tkhd", 1, 3, &body)
}

fn edit_list(edits: &[Edit]) -> Vec<u8> {
    let mut body = words(&[u32::try_from(edits.len()).unwrap_or(0)]);
    for edit in edits {
        body.extend(edit.duration.to_be_bytes());
        body.extend(edit.media.map_or(-1, i64::from).to_be_bytes());
        body.extend(words(&[0x1_0000]));
    }
    full(b"elst", 1, 0, &body)
}

fn handler(head: &TrackHead) -> Vec<u8> {
    let (kind, name) = if head.entry.is_video() { (b"vide", "Video\0") } else { (b"soun", "Sound\0") };
    let body = [&[0; 4][..], kind, &[0; 12], name.as_bytes()].concat();
    full(b"hdlr", 0, 0, &body)
}

fn media_information(head: &TrackHead, tables: &[Vec<u8>]) -> Vec<u8> {
    let media = if head.entry.is_video() { full(b"vmhd", 0, 1, &[0; 8]) } else { full(b"smhd", 0, 0, &[0; 4]) };
    // The samples are in this file.
    let location = full(b"dref", 0, 0, &[words(&[1]), full(b"url ", 0, 1, &[])].concat());
    nested(b"minf", &[media, nested(b"dinf", &[location]), nested(b"stbl", tables)])
}

/// Three letters of five bits; anything else is `und`.
fn packed_language(language: &str) -> u16 {
    let pack = |text: &[u8]| text.iter().fold(0, |packed, letter| packed << 5 | u16::from(letter - 0x60));
    match language.as_bytes() {
        letters @ [_, _, _] if letters.iter().all(u8::is_ascii_lowercase) => pack(letters),
        _ => pack(b"und"),
    }
}
