//! Text subtitles as WebVTT.

use std::ffi::OsString;

use super::{Args, LocalSource};
use crate::probe::facts::TextFacts;
use crate::probe::{Access, access_args};

/// Arguments of ffmpeg for one text track, written to `output` in the working folder.
#[must_use]
pub fn args(track: &TextFacts, source: &LocalSource, output: &str) -> Vec<OsString> {
    let mut args = Args::default();
    args.add(access_args(Access::Source(source.container))).set("-i", source.path.as_os_str());
    args.set("-map", format!("0:{}", track.stream)).set("-c:s", "webvtt");
    args.set("-map_metadata", "-1").add(["-bitexact"]).set("-f", "webvtt").add([output]);
    args.0
}
