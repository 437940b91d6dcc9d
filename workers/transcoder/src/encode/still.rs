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
