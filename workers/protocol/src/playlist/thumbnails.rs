//! The index of sprite sheets as WebVTT, which players show above the seek bar: each cue names a picture by the media fragment
//! of its sheet (W3C Media Fragments, 4.2.2).

use std::fmt::Write as _;

use super::Addressing;
use crate::rendition::{RenditionManifest, Sprites};

/// File name of the index, beside the sheets at the root of a published object.
pub const INDEX: &str = "thumbnails.vtt";

/// File name of sheet number `number`, from 1.
#[must_use]
pub fn sheet(number: usize) -> String {
    format!("thumbnails-{number}.jpg")
}

/// The number of the sheet that `name` names.
#[must_use]
pub fn sheet_number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("thumbnails-")?.strip_suffix(".jpg")?;
    // One spelling per sheet, or caches would keep several copies.
    let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| canonical)
}

/// The index of the sheets of `manifest`; `None` when it has none.
#[must_use]
pub fn index(manifest: &RenditionManifest, addressing: Addressing<'_>) -> Option<String> {
    let sprites = manifest.sprites.as_ref()?;
    let Sprites { tile_width: width, tile_height: height, columns, rows, interval_millis, .. } = *sprites;
    let mut text = String::from("WEBVTT\n");
    for number in 0..u64::from(sprites.count) {
        let start = number * interval_millis;
        // The last one stands until the end.
        let last = number + 1 == u64::from(sprites.count);
        let end = if last { manifest.duration_millis.max(start + 1) } else { start + interval_millis };
        let (columns, rows) = (u64::from(columns.max(1)), u64::from(rows.max(1)));
        let (sheet_number, place) = (number / (columns * rows), number % (columns * rows));
        let (x, y) = (place % columns * u64::from(width), place / columns * u64::from(height));
        let uri = addressing.sign(&sheet(usize::try_from(sheet_number).unwrap_or(0) + 1));
        let _ = write!(text, "\n{} --> {}\n{uri}#xywh={x},{y},{width},{height}\n", time(start), time(end));
    }
    Some(text)
}

/// Milliseconds as `hh:mm:ss.mmm`.
fn time(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
