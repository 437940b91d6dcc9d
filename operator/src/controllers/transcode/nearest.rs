//! The nearest existing rendition of the same content (cloud transcode: Li et al., NOSSDAV 2012): a distance from 1 to 100 that
//! is 0 for nothing but the exact one and has no value for one that would not play in its place.

use videocloud_protocol::{
    ids::RenditionKey,
    rendition::{RenditionSettings, RenditionSummary},
};

/// A rendition and how far it is from the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Near {
    pub(super) key: RenditionKey,
    pub(super) distance: u32,
}

/// The nearest of `candidates` that plays in place of `wanted`; ties go to the smaller key.
pub(super) fn nearest(wanted: &RenditionSettings, candidates: &[RenditionSummary]) -> Option<Near> {
    let near = |summary: &RenditionSummary| {
        distance(wanted, &summary.settings).map(|distance| Near { key: summary.key, distance })
    };
    candidates.iter().filter_map(near).min_by_key(|near| (near.distance, near.key))
}

/// The distance, `None` when a player that takes `wanted` may not take `other`: another codec, a form it is not offered in, a
/// larger picture or a higher rate than allowed.
fn distance(wanted: &RenditionSettings, other: &RenditionSettings) -> Option<u32> {
    let forms =
        |settings: &RenditionSettings| (settings.video, settings.audio.map(|audio| audio.codec), settings.captions);
    let (asked, offered) = (&wanted.packaging, &other.packaging);
    let offered_in_all = (!asked.hls || offered.hls)
        && (!asked.dash || offered.dash)
        && (asked.file.is_none() || asked.file == offered.file)
        && (!asked.poster || offered.poster)
        && (asked.sprite.is_none() || offered.sprite.is_some());
    let fits = other.frame.width <= wanted.frame.width
        && other.frame.height <= wanted.frame.height
        && other.rate.max_bits_per_second <= wanted.rate.max_bits_per_second;
    if forms(wanted) != forms(other) || !offered_in_all || !fits {
        return None;
    }
    let pixels = |settings: &RenditionSettings| u64::from(settings.frame.width) * u64::from(settings.frame.height);
    let size = loss(pixels(wanted), pixels(other));
    let rate = loss(wanted.rate.max_bits_per_second, other.rate.max_bits_per_second);
    let quality = u32::from(wanted.rate.crf.abs_diff(other.rate.crf)) * 2;
    Some((size / 2 + rate / 4 + quality).clamp(1, 100))
}

/// Percent of `whole` that `part` lacks.
fn loss(whole: u64, part: u64) -> u32 {
    let lacking = u128::from(whole.saturating_sub(part)) * 100 / u128::from(whole.max(1));
    u32::try_from(lacking).unwrap_or(100)
}
