//! Built-in profiles: an H.264 and AAC ladder, and the parameter sets that were most asked for in production (Li et al.,
//! NOSSDAV 2012: MP4 640x480 38 %, 3GP 352x288 27 %, MP4 1024x768 10 % of requests).

use videocloud_protocol::rendition::{
    AudioCodec, AudioSettings, Container, Frame, Packaging, RateControl, RenditionSettings, Sprite, VideoCodec,
};

/// Every built-in name. `ladder` is the first four together, `mobile` the last three.
pub const NAMES: [&str; 9] =
    ["1080p", "720p", "480p", "360p", "ladder", "mobile", "mobile-1024x768", "mobile-640x480", "mobile-3gp"];

/// The renditions a built-in name stands for, best first; `None` for other names.
#[must_use]
pub fn builtin(name: &str) -> Option<Vec<RenditionSettings>> {
    let one = |name: &str| {
        Some(vec![match name {
            "1080p" => rung(name, (1920, 1080), 6_000_000, 128_000),
            "720p" => rung(name, (1280, 720), 3_500_000, 128_000),
            "480p" => rung(name, (854, 480), 1_500_000, 128_000),
            "360p" => rung(name, (640, 360), 800_000, 128_000),
            "mobile-1024x768" => rung(name, (1024, 768), 2_000_000, 96_000),
            "mobile-640x480" => rung(name, (640, 480), 1_000_000, 96_000),
            "mobile-3gp" => phone(rung(name, (352, 288), 384_000, 64_000)),
            _ => return None,
        }])
    };
    match name {
        "ladder" => {
            let mut ladder: Vec<_> = ["1080p", "720p", "480p", "360p"].into_iter().filter_map(one).flatten().collect();
            // One set of thumbnails is enough, and the smallest picture is the quickest to make them from.
            let rungs = ladder.len();
            for settings in ladder.iter_mut().take(rungs.saturating_sub(1)) {
                settings.packaging.sprite = None;
            }
            Some(ladder)
        }
        "mobile" => {
            Some(["mobile-1024x768", "mobile-640x480", "mobile-3gp"].into_iter().filter_map(one).flatten().collect())
        }
        other => one(other),
    }
}

fn rung(name: &str, (width, height): (u32, u32), bits: u64, sound: u32) -> RenditionSettings {
    RenditionSettings {
        name: name.to_owned(),
        video: VideoCodec::H264,
        frame: Frame { width, height },
        rate: RateControl { crf: 23, max_bits_per_second: bits, buffer_bits: bits * 2, target_vmaf: None },
        preset: 5,
        encoder_threads: 4,
        max_frame_rate_milli: None,
        tone_map: true,
        audio: Some(AudioSettings {
            codec: AudioCodec::Aac,
            bits_per_second: sound,
            channels: 2,
            loudness_decilufs: None,
        }),
        captions: true,
        packaging: Packaging {
            hls: true,
            dash: true,
            file: Some(Container::Mp4),
            poster: true,
            poster_at_percent: 10,
            sprite: Some(Sprite { interval_seconds: 5, tile_width: 160, columns: 10 }),
        },
        keyframe_seconds: 2,
        segment_seconds: 4,
    }
}

/// What old phones play: Baseline in 3GP, at most 30 frames per second, one channel.
fn phone(settings: RenditionSettings) -> RenditionSettings {
    RenditionSettings {
        video: VideoCodec::H264Baseline,
        max_frame_rate_milli: Some(30_000),
        audio: settings.audio.map(|audio| AudioSettings { channels: 1, ..audio }),
        packaging: Packaging { file: Some(Container::ThreeGp), sprite: None, ..settings.packaging },
        ..settings
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_stands_for_something() {
        for name in NAMES {
            assert!(!builtin(name).unwrap().is_empty(), "{name}");
        }
        assert_eq!(builtin("4320p"), None);
    }
}
