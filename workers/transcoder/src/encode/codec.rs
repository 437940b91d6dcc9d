//! Options of each video encoder. Every one is told: keyframes where the plan wants them and nowhere else, closed groups of
//! pictures, a fixed number of threads, quality with a ceiling.

use videocloud_protocol::rendition::{RenditionSettings, VideoCodec};

use super::Args;
use super::rolls::Rolls;
use crate::plan::ladder::{Picture, h264_level};

/// Adds the options of one output's encoder.
pub(super) fn options(
    args: &mut Args,
    settings: &RenditionSettings,
    crf: u8,
    picture: &Picture,
    longest_gop: u64,
    rolls: &Rolls,
) {
    let rate = settings.rate;
    let threads = settings.encoder_threads.clamp(1, 32).to_string();
    // The encoder's own limit is beyond any planned distance, so that it never adds a keyframe.
    let gop = longest_gop.saturating_add(600).to_string();
    let capped = |args: &mut Args| {
        args.set("-maxrate", rate.max_bits_per_second.to_string()).set("-bufsize", rate.buffer_bits.to_string());
    };
    match settings.video {
        VideoCodec::H264 | VideoCodec::H264Baseline => {
            let profile = if settings.video == VideoCodec::H264 { "high" } else { "baseline" };
            let level = h264_level(picture, rate.max_bits_per_second);
            args.set("-c:v", "libx264").set("-preset", x26_preset(settings.preset)).set("-profile:v", profile);
            args.set("-level:v", format!("{}.{}", level / 10, level % 10));
            args.set("-crf", crf.min(51).to_string());
            capped(args);
            args.set("-sc_threshold", "0").set("-g", gop).set("-forced-idr", "1");
            args.set("-x264-params", format!("open-gop=0{}", rolls.x264_zones())).set("-threads:v", threads);
        }
        VideoCodec::Hevc => {
            args.set("-c:v", "libx265").set("-preset", x26_preset(settings.preset)).set("-tag:v", "hvc1");
            args.set("-crf", crf.min(51).to_string());
            capped(args);
            args.set("-g", gop.clone()).set("-forced-idr", "1");
            args.set(
                "-x265-params",
                format!(
                    "open-gop=0:scenecut=0:keyint={gop}:min-keyint=1:pools={threads}:frame-threads=1:info=0:log-level=error"
                ),
            );
        }
        VideoCodec::Av1 => {
            // SVT's scale is 0 (slowest) to 13; 4 to 12 is what makes sense here.
            let preset = 4 + settings.preset.min(9) * 8 / 9;
            args.set("-c:v", "libsvtav1").set("-preset", preset.to_string()).set("-crf", crf.min(63).to_string());
            args.set("-g", gop).set(
                "-svtav1-params",
                format!("lp={threads}:scd=0:irefresh-type=2:mbr={}", rate.max_bits_per_second / 1000),
            );
        }
        VideoCodec::Vp9 => {
            let speed = settings.preset.min(9) * 5 / 9;
            args.set("-c:v", "libvpx-vp9").set("-deadline", "good").set("-cpu-used", speed.to_string());
            args.set("-crf", crf.min(63).to_string()).set("-b:v", rate.max_bits_per_second.to_string());
            args.set("-row-mt", "1").set("-g", gop).set("-threads:v", threads);
        }
    }
}

/// Preset names of x264 and x265 for 0 (slowest) to 9 (fastest); 5 is `medium`.
fn x26_preset(preset: u8) -> &'static str {
    const NAMES: [&str; 10] =
        ["placebo", "veryslow", "veryslow", "slower", "slow", "medium", "fast", "faster", "veryfast", "ultrafast"];
    NAMES[usize::from(preset.min(9))]
}
