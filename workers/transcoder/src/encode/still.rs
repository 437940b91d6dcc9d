//! Still pictures. Taken from the source, since not every build that encodes a codec also decodes it.

use std::ffi::OsString;

use super::video::seconds;
use super::{Args, LocalSource, shape};
use crate::plan::{Plan, ladder::RenditionPlan};
use crate::probe::{Access, access_args};

/// Arguments of ffmpeg for a JPEG of the keyframe at or before `micros` from the beginning of the source, in the size of
/// `rendition`, written to `output`. `None` when there is no picture.
#[must_use]
pub fn poster(
    plan: &Plan,
    rendition: &RenditionPlan,
    source: &LocalSource,
    micros: i64,
    output: &str,
) -> Option<Vec<OsString>> {
    let (video, picture) = (plan.facts.video.as_ref()?, rendition.picture.as_ref()?);
    let mut args = Args::default();
    args.add(access_args(Access::Source(source.container))).add(["-noaccurate_seek"]);
    args.set("-ss", seconds(micros)).set("-i", source.path.as_os_str()).set("-map", format!("0:{}", video.stream));
    let shape = shape::filters(video, &rendition.settings, picture);
    // JPEG counts its greys from 0 to 255.
    args.set("-vf", format!("{shape},scale=out_range=full:flags=bicubic+bitexact,format=yuvj420p"));
    args.set("-frames:v", "1").set("-q:v", "3").set("-map_metadata", "-1").add(["-bitexact"]);
    args.set("-f", "image2").set("-update", "1").set("-c:v", "mjpeg").add([output]);
    Some(args.0)
}

/// Pictures at equal distances on sheets of equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Seconds between pictures.
    pub interval_seconds: u32,
    /// Pictures.
    pub count: u32,
    /// Width of one, pixels.
    pub width: u32,
    /// Height of one, pixels.
    pub height: u32,
    /// Pictures in a row.
    pub columns: u32,
    /// Rows of a sheet.
    pub rows: u32,
}

impl Grid {
    /// Sheets.
    #[must_use]
    pub fn sheets(&self) -> u32 {
        self.count.div_ceil((self.columns * self.rows).max(1))
    }
}

/// Arguments of ffmpeg for the sheets of a finished picture, written as [`videocloud_protocol::playlist::thumbnails::sheet`] names them. Each shows the last
/// keyframe at or before its time.
#[must_use]
pub fn sheets(video: &LocalSource, grid: &Grid) -> Vec<OsString> {
    let Grid { interval_seconds, count, width, height, columns, rows } = grid;
    let mut args = Args::default();
    args.add(access_args(Access::Source(video.container))).add(["-copyts"]).set("-skip_frame", "nokey");
    args.set("-i", video.path.as_os_str()).set("-map", "0:v:0");
    args.set(
        "-vf",
        format!(
            "fps=fps=1/{interval_seconds}:round=up:start_time=0,tpad=stop=-1:stop_mode=clone,trim=end_frame={count},\
             setpts=N*{interval_seconds}/TB,scale={width}:{height}:flags=bicubic+accurate_rnd+bitexact:out_range=full,format=yuvj420p,\
             tile={columns}x{rows}"
        ),
    );
    args.set("-fps_mode", "passthrough").set("-q:v", "4").set("-map_metadata", "-1").add(["-bitexact"]);
    args.set("-f", "image2").set("-c:v", "mjpeg").add(["thumbnails-%d.jpg"]);
    args.0
}
