//! What each rendition becomes on this source: its picture size, the frames it keeps and its H.264 level.

use serde::{Deserialize, Serialize};
use videocloud_protocol::ids::RenditionKey;
use videocloud_protocol::rendition::{Frame, RenditionSettings};
use videocloud_protocol::task::RenditionOrder;

use crate::probe::facts::VideoFacts;

/// The smallest side that every encoder takes.
const SMALLEST: u32 = 16;

/// A rendition resolved against the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenditionPlan {
    /// Its key.
    pub key: RenditionKey,
    /// What was asked for.
    pub settings: RenditionSettings,
    /// Picture of the output, `None` when the source has none.
    pub picture: Option<Picture>,
    /// The rate factor that was chosen for this source, if the settings name a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
}

impl RenditionPlan {
    /// The rate factor it is encoded with.
    #[must_use]
    pub fn crf(&self) -> u8 {
        self.tuned.map_or(self.settings.rate.crf, |tuned| tuned.crf)
    }
}

/// A rate factor chosen by sample scenes ([`crate::quality::title`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuned {
    /// The factor.
    pub crf: u8,
    /// Mean VMAF of the scenes with it, times 1,000.
    pub vmaf_milli: u32,
}

/// The picture of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// Width in square pixels, even.
    pub width: u32,
    /// Height in square pixels, even.
    pub height: u32,
    /// Every how many-th frame is kept: 1, or a power of two for sources faster than the profile allows.
    pub keep_every: u32,
    /// Mean frames per second times 1,000 after that, 0 when unknown.
    pub rate_milli: u32,
}

/// Resolves `orders` against the source's picture.
#[must_use]
pub fn resolve(orders: &[RenditionOrder], video: Option<&VideoFacts>) -> Vec<RenditionPlan> {
    let picture = |settings: &RenditionSettings, video: &VideoFacts| {
        let (width, height) = fit(video.display_size(), settings.frame);
        let keep_every = keep_every(video.rate_milli(), settings.max_frame_rate_milli);
        Picture { width, height, keep_every, rate_milli: video.rate_milli() / keep_every }
    };
    orders
        .iter()
        .map(|order| RenditionPlan {
            key: order.key,
            settings: order.settings.clone(),
            picture: video.map(|video| picture(&order.settings, video)),
            tuned: None,
        })
        .collect()
}

/// The largest even size of the source's shape inside the box: never larger than the source, and the box turns with a
/// portrait source.
fn fit((width, height): (u32, u32), frame: Frame) -> (u32, u32) {
    let portrait = height > width;
    let (box_width, box_height) = if portrait { (frame.height, frame.width) } else { (frame.width, frame.height) };
    let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (f64::from(box_width) / w).min(f64::from(box_height) / h).min(1.0);
    let even = |side: f64| {
        // The nearest even number when shrinking; at full size an odd line is cut rather than invented.
        let side = if scale < 1.0 { (side * scale / 2.0).round() * 2.0 } else { (side / 2.0).floor() * 2.0 };
        (side as u32).max(SMALLEST)
    };
    (even(w), even(h))
}

fn keep_every(rate_milli: u32, limit: Option<u32>) -> u32 {
    let Some(limit) = limit.filter(|limit| *limit > 0) else { return 1 };
    let mut every = 1;
    // A hundredth of tolerance: 30,000/1,001 declared a little high is not a faster source.
    while every < 64 && f64::from(rate_milli) / f64::from(every) > f64::from(limit) * 1.01 {
        every *= 2;
    }
    every
}

/// The H.264 level (times 10) that holds this picture, rate and bit rate: ITU-T H.264 table A-1, High profile rates.
#[must_use]
pub fn h264_level(picture: &Picture, max_bits_per_second: u64) -> u32 {
    const LEVELS: [(u32, u64, u64, u64); 11] = [
        (12, 6_000, 396, 480),
        (21, 19_800, 792, 5_000),
        (30, 40_500, 1_620, 12_500),
        (31, 108_000, 3_600, 17_500),
        (32, 216_000, 5_120, 25_000),
        (40, 245_760, 8_192, 25_000),
        (41, 245_760, 8_192, 62_500),
        (42, 522_240, 8_704, 62_500),
        (50, 589_824, 22_080, 168_750),
        (51, 983_040, 36_864, 300_000),
        (52, 2_073_600, 36_864, 300_000),
    ];
    let blocks = u64::from(picture.width.div_ceil(16)) * u64::from(picture.height.div_ceil(16));
    let rate = if picture.rate_milli == 0 { 30_000 } else { u64::from(picture.rate_milli) };
    let per_second = (blocks * rate).div_ceil(1000);
    let fits = |&&(_, speed, size, kbit): &&(u32, u64, u64, u64)| {
        per_second <= speed && blocks <= size && max_bits_per_second <= kbit * 1000
    };
    LEVELS.iter().find(fits).map_or(62, |level| level.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Frame = Frame { width: 1280, height: 720 };

    #[test]
    fn never_larger_always_even_and_turned_with_portrait() {
        assert_eq!(fit((1920, 1080), HD), (1280, 720));
        assert_eq!(fit((1080, 1920), HD), (720, 1280));
        assert_eq!(fit((640, 360), HD), (640, 360));
        assert_eq!(fit((161, 91), HD), (160, 90));
        assert_eq!(fit((1920, 800), HD), (1280, 534));
        assert_eq!(fit((1920, 1080), Frame { width: 640, height: 480 }), (640, 360));
        assert_eq!(fit((3, 2000), HD), (16, 1280));
    }

    #[test]
    fn fast_sources_are_halved_until_they_fit() {
        assert_eq!(keep_every(59_940, Some(30_000)), 2);
        assert_eq!(keep_every(29_970, Some(30_000)), 1);
        assert_eq!(keep_every(240_000, Some(30_000)), 8);
        assert_eq!(keep_every(240_000, None), 1);
    }

    #[test]
    fn levels_of_usual_pictures() {
        let level = |width, height, rate_milli, kbit: u64| {
            h264_level(&Picture { width, height, keep_every: 1, rate_milli }, kbit * 1000)
        };
        assert_eq!(level(1920, 1080, 30_000, 6_000), 40);
        assert_eq!(level(1920, 1080, 60_000, 9_000), 42);
        assert_eq!(level(1280, 720, 30_000, 3_500), 31);
        assert_eq!(level(640, 360, 30_000, 1_000), 30);
        assert_eq!(level(3840, 2160, 60_000, 20_000), 52);
    }
}
