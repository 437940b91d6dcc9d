//! A rough guess of the CPU time of an encode, to decide whether cutting is worth it. Only ever compared with a threshold.

use super::ladder::RenditionPlan;
use videocloud_protocol::rendition::VideoCodec;

/// CPU seconds per output pixel and frame of x264 `medium`, decoding included: 60 s of 720p30 take about 39 CPU seconds.
const SECONDS_PER_PIXEL: f64 = 39.0 / (1800.0 * 1280.0 * 720.0);

/// Estimated CPU seconds to encode `frames` source frames into all `renditions`.
#[must_use]
pub fn cpu_seconds(renditions: &[RenditionPlan], frames: u64) -> f64 {
    let one = |rendition: &RenditionPlan| {
        let picture = rendition.picture?;
        let pixels = f64::from(picture.width) * f64::from(picture.height) / f64::from(picture.keep_every);
        let codec = match rendition.settings.video {
            VideoCodec::H264 | VideoCodec::H264Baseline => 1.0,
            VideoCodec::Vp9 | VideoCodec::Hevc => 3.0,
            VideoCodec::Av1 => 4.0,
        };
        // Each preset step is about a factor of 1.4 around `medium`, which is 5.
        let preset = 1.4_f64.powi(5 - i32::from(rendition.settings.preset.min(9)));
        Some(pixels * codec * preset)
    };
    let pixels: f64 = renditions.iter().filter_map(one).sum();
    pixels * frames as f64 * SECONDS_PER_PIXEL
}
