//! From the source's picture to a rendition's: size, square pixels, eight bits, and standard dynamic range where asked.

use videocloud_protocol::rendition::RenditionSettings;

use crate::plan::ladder::Picture;
use crate::probe::facts::VideoFacts;

/// The filters, after decoding and cutting.
pub(crate) fn filters(video: &VideoFacts, settings: &RenditionSettings, picture: &Picture) -> String {
    // bitexact: the same pixels on every processor. Limited range, which every player takes for granted.
    let (width, height) = (picture.width, picture.height);
    let scale = format!("scale={width}:{height}:flags=bicubic+accurate_rnd+bitexact:out_range=tv");
    let range = if video.hdr && settings.tone_map {
        // Perceptual intent: highlights are rolled off (ITU-R BT.2446's idea), where the colorimetric one clips them.
        ":out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:intent=perceptual"
    } else {
        ""
    };
    format!("{scale}{range},setsar=1,format=yuv420p")
}
