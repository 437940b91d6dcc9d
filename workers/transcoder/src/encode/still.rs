//! Still pictures from a finished rendition.

use std::ffi::OsString;
use std::path::Path;

use super::Args;
use super::video::seconds;
use crate::probe::{Access, access_args};

/// Arguments of ffmpeg for a JPEG of the keyframe at or before `micros` of the video at `path`, written to `output`.
#[must_use]
pub fn poster(path: &Path, micros: i64, output: &str) -> Vec<OsString> {
    let mut args = Args::default();
    args.add(access_args(Access::Own)).add(["-noaccurate_seek"]).set("-ss", seconds(micros)).set("-i", path);
    args.set("-frames:v", "1").set("-vf", "scale=out_range=full:flags=bicubic+bitexact,format=yuvj420p");
    args.set("-q:v", "3").set("-map_metadata", "-1").add(["-bitexact"]);
    args.set("-f", "image2").set("-update", "1").set("-c:v", "mjpeg").add([output]);
    args.0
}
