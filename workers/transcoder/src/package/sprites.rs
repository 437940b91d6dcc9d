//! Sprite sheets, from the keyframes of the finished picture: a tenth of the work of decoding every frame.

use std::path::Path;

use videocloud_protocol::failure::Failure;
use videocloud_protocol::playlist::thumbnails::sheet;
use videocloud_protocol::rendition::{Sprite, Sprites};

use super::{internal, path};
use crate::encode::still::{self, Grid};
use crate::encode::{Driver, LocalSource};
use crate::plan::ladder::Picture;

/// Rows of a sheet at most: with twenty columns of 640 pixels a sheet is 12,800 pixels wide, and no higher than players can draw.
const MOST_ROWS: u32 = 10;

/// Makes the sheets of `video`, which lasts `millis` milliseconds, in `folder`.
pub(super) async fn make(
    driver: &Driver,
    folder: &Path,
    video: &LocalSource,
    picture: &Picture,
    asked: &Sprite,
    millis: u64,
) -> Result<Sprites, Failure> {
    let grid = grid(picture, asked, millis);
    let args = still::sheets(video, &grid);
    driver.run(args, folder, &video.path, "make the thumbnails", |_| {}).await?;
    let names: Vec<String> = (1..=grid.sheets()).map(|number| sheet(number as usize)).collect();
    if names.iter().any(|name| !folder.join(name).exists()) || folder.join(sheet(names.len() + 1)).exists() {
        return Err(internal(format!("the thumbnails are not on {} sheets", names.len())));
    }
    Ok(Sprites {
        sheets: names.iter().map(|name| path(name)).collect::<Result<_, _>>()?,
        tile_width: grid.width,
        tile_height: grid.height,
        columns: grid.columns,
        rows: grid.rows,
        interval_millis: u64::from(grid.interval_seconds) * 1000,
        count: grid.count,
    })
}

/// As many pictures as begin before the end, on as few cells as hold them.
fn grid(picture: &Picture, asked: &Sprite, millis: u64) -> Grid {
    let interval_seconds = u32::from(asked.interval_seconds.max(1));
    let count = u32::try_from(millis.div_ceil(u64::from(interval_seconds) * 1000)).unwrap_or(u32::MAX).max(1);
    let columns = u32::from(asked.columns.clamp(1, 20)).min(count);
    let width = u32::from(asked.tile_width.clamp(32, 640)) & !1;
    let height =
        (f64::from(width) * f64::from(picture.height) / f64::from(picture.width.max(1)) / 2.0).round() as u32 * 2;
    Grid {
        interval_seconds,
        count,
        width,
        height: height.clamp(2, 4 * width),
        columns,
        rows: count.div_ceil(columns).min(MOST_ROWS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_are_no_larger_than_needed() {
        let picture = Picture { width: 1280, height: 534, keep_every: 1, rate_milli: 25_000 };
        let asked = Sprite { interval_seconds: 5, tile_width: 160, columns: 10 };
        let film = grid(&picture, &asked, 7_200_001);
        assert_eq!((film.count, film.columns, film.rows, film.sheets()), (1441, 10, 10, 15));
        assert_eq!((film.width, film.height), (160, 66));
        let short = grid(&picture, &asked, 12_000);
        assert_eq!((short.count, short.columns, short.rows, short.sheets()), (3, 3, 1, 1));
        assert_eq!(grid(&picture, &asked, 0).count, 1);
    }
}
